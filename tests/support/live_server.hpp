// resp: a real server for one test, and a socket to it that knows nothing of Redoubt's wires.
#pragma once

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <redoubt/resp/key_prefix.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "resp/scanner.hpp"
#include "support/encoded.hpp"

namespace redoubt::testing {

/// The program's path, looked up as a shell does.
inline std::optional<std::string> find_program(const std::string& name) {
    const char* path = std::getenv("PATH");
    std::string folders = path == nullptr ? "" : path;
    for (std::size_t at = 0; at <= folders.size();) {
        const std::size_t end = std::min(folders.find(':', at), folders.size());
        const std::string candidate = folders.substr(at, end - at) + "/" + name;
        if (::access(candidate.c_str(), X_OK) == 0) return candidate;
        at = end + 1;
    }
    return std::nullopt;
}

/// A server of its own on a Unix socket in a new folder; ended by its process id.
class LiveServer {
public:
    explicit LiveServer(const std::string& program) {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-table-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        folder_ = pattern;
        const std::string socket = folder_ + "/s";
        std::array<int, 2> output{};
        if (::pipe2(output.data(), O_CLOEXEC) != 0) throw std::runtime_error("pipe2 failed");
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should this test be killed
            ::dup2(output[1], STDOUT_FILENO);
            ::dup2(output[1], STDERR_FILENO);
            ::execl(program.c_str(), program.c_str(), "--port", "0", "--unixsocket", socket.c_str(), "--save", "",
                    "--appendonly", "no", "--dir", folder_.c_str(), nullptr);
            ::_exit(127);
        }
        ::close(output[1]);
        output_ = output[0];
        wait_until_ready();
        connect_to(socket);
    }
    LiveServer(const LiveServer&) = delete;
    LiveServer& operator=(const LiveServer&) = delete;
    ~LiveServer() {
        if (wire_ >= 0) ::close(wire_);
        if (output_ >= 0) ::close(output_);
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }

    Value ask(const std::vector<std::string>& words) { return ask_bytes(resp(words)); }

    Value ask_bytes(const std::string& request) {
        const std::string frame = frame_of(request);
        ReplyCursor cursor{frame};
        Value value;
        if (!read_reply(cursor, KeyPrefix{}, value)) throw std::runtime_error("the reply cannot be read");
        return value;
    }

    /// Sends the bytes of one command, and returns those of its reply.
    std::string frame_of(const std::string& request) {
        for (std::size_t at = 0; at < request.size();) {
            const ssize_t sent = ::send(wire_, request.data() + at, request.size() - at, MSG_NOSIGNAL);
            if (sent <= 0) throw std::runtime_error("the server does not take the request");
            at += static_cast<std::size_t>(sent);
        }
        std::string received;
        redoubt::resp::ReplyScanner scanner{limits_};
        std::array<char, 65536> chunk{};
        for (;;) {
            pollfd ready{wire_, POLLIN, 0};
            if (::poll(&ready, 1, 20000) <= 0) throw std::runtime_error("the server does not answer");
            const ssize_t got = ::recv(wire_, chunk.data(), chunk.size(), 0);
            if (got <= 0) throw std::runtime_error("the server closed the connection");
            received.append(chunk.data(), static_cast<std::size_t>(got));
            switch (scanner.scan(received)) {
                case redoubt::resp::ReplyScanner::Status::need_more: continue;
                case redoubt::resp::ReplyScanner::Status::error: throw std::runtime_error(std::string{scanner.error()});
                case redoubt::resp::ReplyScanner::Status::complete: return received.substr(0, scanner.size());
            }
        }
    }

private:
    /// Reads what the server prints until it says that it listens.
    void wait_until_ready() {
        std::string printed;
        std::array<char, 4096> chunk{};
        while (printed.find("eady to accept connections") == std::string::npos) {
            pollfd ready{output_, POLLIN, 0};
            if (::poll(&ready, 1, 20000) <= 0) throw std::runtime_error("the server does not start: " + printed);
            const ssize_t got = ::read(output_, chunk.data(), chunk.size());
            if (got <= 0) throw std::runtime_error("the server ended: " + printed);
            printed.append(chunk.data(), static_cast<std::size_t>(got));
        }
    }

    void connect_to(const std::string& path) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        if (path.size() >= sizeof address.sun_path) throw std::runtime_error("the socket's path is too long");
        std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
        wire_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        // NOLINTNEXTLINE: the socket interface wants it so
        if (::connect(wire_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            throw std::runtime_error("the server does not listen");
        }
    }

    ReplyLimits limits_{};
    std::string folder_;
    pid_t child_ = -1;
    int output_ = -1;
    int wire_ = -1;
};

}  // namespace redoubt::testing
