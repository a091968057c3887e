// embedded: what a server needs around it: its program, its folder, its configuration file, its log.
#include "embedded/server_files.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <system_error>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

namespace redoubt::embedded {
namespace {

[[noreturn]] void raise_configuration(std::string text) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

[[noreturn]] void raise_system(std::string_view what, int code) {
    raise(Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::connecting,
                             fmt::format("embedded server: {}: {}", what, std::generic_category().message(code))));
}

bool is_program(const std::string& path) {
    struct stat info;
    return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) && ::access(path.c_str(), X_OK) == 0;
}

std::string find_in_path(const std::string& name) {
    if (name.find('/') != std::string::npos) return is_program(name) ? name : std::string();
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin";
    while (true) {
        const std::size_t colon = rest.find(':');
        const std::string_view folder = rest.substr(0, colon);
        std::string candidate = fmt::format("{}/{}", folder.empty() ? "." : folder, name);
        if (is_program(candidate)) return candidate;
        if (colon == std::string_view::npos) return {};
        rest.remove_prefix(colon + 1);
    }
}

/// As the server's configuration reads it: in double quotes, unusual bytes as \xHH.
std::string quoted(std::string_view text) {
    std::string out = "\"";
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte >= 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out + '"';
}

std::string absolute(const std::string& path) { return std::filesystem::absolute(path).string(); }

void mask(std::string& text, std::string_view secret) {
    if (secret.empty()) return;
    for (std::size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
        text.replace(at, secret.size(), "***");
    }
}

}  // namespace

std::string find_server_program(const std::string& program) {
    if (!program.empty()) {
        std::string path = find_in_path(program);
        if (!path.empty()) return path;
        const bool valkey = program.find("valkey") != std::string::npos;
        raise_configuration(
            fmt::format("program: no executable '{}' was found; install a server with: "
                        "apt-get install {}",
                        program, valkey ? "valkey-server" : "redis-server"));
    }
    for (const char* name : {"redis-server", "valkey-server"}) {
        std::string path = find_in_path(name);
        if (!path.empty()) return path;
    }
    raise_configuration(
        "program: neither redis-server nor valkey-server was found in PATH; install one with: "
        "apt-get install redis-server (or: apt-get install valkey-server)");
}

std::string make_server_directory() {
    constexpr std::string_view tail = "/redoubt-XXXXXX";
    constexpr std::string_view longest_file = "/redis.sock";
    const char* variable = std::getenv("TMPDIR");
    std::string parent = variable != nullptr && *variable != '\0' ? absolute(variable) : "/tmp";
    while (parent.size() > 1 && parent.back() == '/') parent.pop_back();
    if (parent.size() + tail.size() + longest_file.size() >= sizeof(sockaddr_un::sun_path)) parent = "/tmp";
    std::string name = parent;
    name += tail;
    if (::mkdtemp(name.data()) == nullptr) raise_system("cannot make a folder in " + parent, errno);
    return name;
}

std::string server_configuration(const EmbeddedServerOptions& options, const std::string& directory,
                                 const std::string& socket, const std::string& log, ServerPorts ports) {
    std::string text;
    const auto line = [&text](std::string_view name, std::string_view value) {
        text += fmt::format("{} {}\n", name, quoted(value));
    };
    line("dir", directory);
    line("logfile", log);
    line("unixsocket", socket);
    line("unixsocketperm", "700");
    line("bind", "127.0.0.1");
    line("port", std::to_string(ports.tcp));
    line("daemonize", "no");
    line("maxmemory", options.max_memory);
    line("maxmemory-policy", "allkeys-lru");
    line("save", "");
    line("appendonly", options.persistent ? "yes" : "no");
    if (options.persistent) line("appendfsync", "always");
    if (!options.password.empty()) line("requirepass", options.password);
    if (options.tls) {
        line("tls-port", std::to_string(ports.tls));
        line("tls-cert-file", absolute(options.tls_cert_file));
        line("tls-key-file", absolute(options.tls_key_file));
        // With an authority a client may show a certificate, which is then verified; whoever wants to demand
        // one adds `--tls-auth-clients yes`.
        if (!options.tls_ca_file.empty()) line("tls-ca-cert-file", absolute(options.tls_ca_file));
        line("tls-auth-clients", options.tls_ca_file.empty() ? "no" : "optional");
    }
    if (!options.extra_configuration.empty()) text += options.extra_configuration + '\n';
    return text;
}

void write_private_file(const std::string& path, std::string_view text) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) raise_system("cannot write " + path, errno);
    while (!text.empty()) {
        const ssize_t size = ::write(fd, text.data(), text.size());
        if (size < 0 && errno == EINTR) continue;
        if (size < 0) {
            const int code = errno;
            ::close(fd);
            raise_system("cannot write " + path, code);
        }
        text.remove_prefix(static_cast<std::size_t>(size));
    }
    ::close(fd);
}

std::string end_of_log(const std::string& path, std::string_view password) {
    constexpr std::size_t most_lines = 8;
    std::ifstream file(path, std::ios::binary);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) {
        while (!line.empty() && (line.back() == '\r' || line.back() == ' ')) line.pop_back();
        if (!line.empty()) lines.push_back(line);
    }
    if (lines.empty()) return "its log is empty";
    std::string text;
    const std::size_t first = lines.size() > most_lines ? lines.size() - most_lines : 0;
    for (std::size_t i = first; i < lines.size(); ++i) text += (text.empty() ? "" : " | ") + lines[i];
    mask(text, password);
    if (!password.empty()) mask(text, quoted(password));
    return "its log ends: " + text;
}

std::string percent_encode(std::string_view text, std::string_view also) {
    std::string out;
    for (const char c : text) {
        const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                           std::string_view("-._~").find(c) != std::string_view::npos ||
                           also.find(c) != std::string_view::npos;
        if (plain) {
            out += c;
        } else {
            out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
        }
    }
    return out;
}

PortReservation::PortReservation() {
    fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd_ < 0) raise_system("socket", errno);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* any = &address;
    const int on = 1;
    // The option comes after bind: with it before, two reservations could be given the same port.
    if (::bind(fd_, static_cast<sockaddr*>(any), sizeof address) != 0 ||
        ::setsockopt(fd_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        ::getsockname(fd_, static_cast<sockaddr*>(any), &size) != 0) {
        const int code = errno;
        ::close(fd_);
        raise_system("cannot reserve a port on 127.0.0.1", code);
    }
    port_ = ntohs(address.sin_port);
}

PortReservation::~PortReservation() {
    if (fd_ >= 0) ::close(fd_);
}

PortReservation::PortReservation(PortReservation&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), port_(other.port_) {}

PortReservation& PortReservation::operator=(PortReservation&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(port_, other.port_);
    return *this;
}

}  // namespace redoubt::embedded
