// embedded: EmbeddedServer: a folder, a supervisor in it that holds the server, and the wait until it answers.
#include <redoubt/embedded/embedded_server.hpp>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

#include "embedded/raw_connection.hpp"
#include "embedded/remove_tree.hpp"
#include "embedded/server_files.hpp"
#include "embedded/supervisor_link.hpp"

namespace redoubt {

using namespace embedded;

namespace {

constexpr Duration signal_patience = 10s;  // SIGKILL and SIGTERM of a small server take milliseconds
constexpr Duration poll_interval = 2ms;    // between two attempts to reach a server that starts
constexpr int most_port_attempts = 5;

[[noreturn]] void raise_configuration(std::string text) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

[[noreturn]] void raise_connection(std::string text) {
    raise(Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::connecting, std::move(text)));
}

void check(const EmbeddedServerOptions& options) {
    if (options.start_timeout <= Duration::zero()) raise_configuration("start_timeout: must be above 0");
    if (options.tls && (options.tls_cert_file.empty() || options.tls_key_file.empty())) {
        raise_configuration("tls: needs tls_cert_file and tls_key_file");
    }
    for (const std::string& argument : options.extra_arguments) {
        // A server that leaves its supervisor could not be ended with its owner.
        if (argument == "--daemonize") raise_configuration("extra_arguments: --daemonize is not allowed");
    }
}

/// Ended before it answered. Kept apart, because a port that was taken is worth another attempt.
struct EndedEarly {
    SupervisorReply last;
};

std::string how_it_ended(const SupervisorReply& reply) {
    if (reply.exit_signal != 0) return fmt::format("ended by signal {}", reply.exit_signal);
    return fmt::format("ended with status {}", reply.exit_code);
}

std::string field_of_info(std::string_view info, std::string_view name) {
    const std::string start = fmt::format("\n{}:", name);
    const std::size_t at = info.find(start);
    if (at == std::string_view::npos) return {};
    const std::string_view rest = info.substr(at + start.size());
    return std::string(rest.substr(0, rest.find_first_of("\r\n")));
}

}  // namespace

struct EmbeddedServer::Impl {
    explicit Impl(EmbeddedServerOptions given);
    ~Impl();

    void start_first_time();
    void choose_ports_and_configure();
    void wait_until_ready();
    std::string greet(Duration timeout);
    void learn_version(RawConnection& connection);
    [[noreturn]] void raise_ended(const EndedEarly& ended) const;

    EmbeddedServerOptions options;
    std::string program;
    pid_t owner = ::getpid();
    std::string directory;
    std::string socket;
    std::string log;
    std::string configuration;
    std::string version;
    std::optional<PortReservation> tcp;
    std::optional<PortReservation> tls;
    std::optional<SupervisorLink> link;
};

EmbeddedServer::Impl::Impl(EmbeddedServerOptions given) : options(std::move(given)) {
    check(options);
    program = find_server_program(options.program);
    directory = make_server_directory();
    socket = directory + "/redis.sock";
    log = directory + "/redis.log";
    configuration = directory + "/redis.conf";
    version = program.substr(program.rfind('/') + 1);

    std::vector<std::string> arguments{program, configuration};
    arguments.insert(arguments.end(), options.extra_arguments.begin(), options.extra_arguments.end());
    try {
        link.emplace(program, arguments, directory, log);
    } catch (...) {
        remove_tree(directory.c_str());
        throw;
    }
    // From here on the folder is the supervisor's to remove, whatever happens to us.
    start_first_time();
}

EmbeddedServer::Impl::~Impl() {
    link.reset();
    // Only when somebody killed the supervisor is there anything left. A forked child owns nothing.
    if (::getpid() == owner) remove_tree(directory.c_str());
}

void EmbeddedServer::Impl::start_first_time() {
    for (int attempt = 1;; ++attempt) {
        choose_ports_and_configure();
        try {
            link->start();
            return wait_until_ready();
        } catch (const EndedEarly& ended) {
            const bool clash = (tcp || tls) && end_of_log(log, {}).find("Address already in use") != std::string::npos;
            if (!clash || attempt == most_port_attempts) raise_ended(ended);
            ::unlink(log.c_str());
        }
    }
}

void EmbeddedServer::Impl::choose_ports_and_configure() {
    if (options.tcp) tcp.emplace();
    if (options.tls) tls.emplace();
    const ServerPorts ports{tcp ? tcp->port() : std::uint16_t{0}, tls ? tls->port() : std::uint16_t{0}};
    write_private_file(configuration, server_configuration(options, directory, socket, log, ports));
}

void EmbeddedServer::Impl::wait_until_ready() {
    const TimePoint deadline = Clock::now() + options.start_timeout;
    std::string answer = "no connection";
    for (;;) {
        try {
            answer = greet(std::max<Duration>(deadline - Clock::now(), 1ms));
            // Without the password (given in extra_arguments, say) it refuses, but it is there.
            if (answer.starts_with("+PONG") || answer.starts_with("-NOAUTH") || answer.starts_with("-NOPERM")) return;
        } catch (const std::exception& failure) {
            answer = failure.what();
        }
        if (const auto end = link->wait_for_end(std::min(deadline, Clock::now() + poll_interval))) {
            throw EndedEarly{*end};
        }
        if (Clock::now() >= deadline) {
            while (!answer.empty() && (answer.back() == '\n' || answer.back() == '\r')) answer.pop_back();
            raise_connection(fmt::format("embedded server {} does not answer after {} ms ({}); {}", program,
                                         options.start_timeout / 1ms, answer, end_of_log(log, options.password)));
        }
    }
}

/// One connection, one PING; returns the first reply that tells.
std::string EmbeddedServer::Impl::greet(Duration timeout) {
    RawConnection connection = RawConnection::to_unix_socket(socket, timeout);
    if (!options.password.empty()) {
        const std::string_view auth[] = {"AUTH", options.password};
        std::string reply = connection.exchange(auth);
        if (!reply.starts_with("+OK")) return reply;
    }
    const std::string_view ping[] = {"PING"};
    std::string reply = connection.exchange(ping);
    if (reply.starts_with("+PONG")) learn_version(connection);
    return reply;
}

void EmbeddedServer::Impl::learn_version(RawConnection& connection) {
    const std::string_view command[] = {"INFO", "server"};
    const std::string info = connection.exchange(command);
    const bool valkey = field_of_info(info, "server_name") == "valkey";
    const std::string number = field_of_info(info, valkey ? "valkey_version" : "redis_version");
    if (!number.empty()) version = fmt::format("{} {}", valkey ? "valkey-server" : "redis-server", number);
}

void EmbeddedServer::Impl::raise_ended(const EndedEarly& ended) const {
    raise_connection(fmt::format("embedded server {} {} before it answered; {}", program, how_it_ended(ended.last),
                                 end_of_log(log, options.password)));
}

EmbeddedServer::EmbeddedServer(EmbeddedServerOptions options) : impl_(std::make_unique<Impl>(std::move(options))) {}
EmbeddedServer::~EmbeddedServer() = default;
EmbeddedServer::EmbeddedServer(EmbeddedServer&&) noexcept = default;
EmbeddedServer& EmbeddedServer::operator=(EmbeddedServer&&) noexcept = default;

namespace {

std::string credentials(const std::string& password) {
    return password.empty() ? std::string() : fmt::format(":{}@", percent_encode(password));
}

}  // namespace

std::string EmbeddedServer::url() const {
    return fmt::format("unix://{}{}", credentials(impl_->options.password), percent_encode(impl_->socket, "/"));
}

std::string EmbeddedServer::tcp_url() const {
    if (!impl_->tcp) return {};
    return fmt::format("redis://{}127.0.0.1:{}", credentials(impl_->options.password), impl_->tcp->port());
}

std::string EmbeddedServer::tls_url() const {
    if (!impl_->tls) return {};
    return fmt::format("rediss://{}127.0.0.1:{}", credentials(impl_->options.password), impl_->tls->port());
}

std::string EmbeddedServer::socket_path() const { return impl_->socket; }
std::uint16_t EmbeddedServer::port() const noexcept { return impl_->tcp ? impl_->tcp->port() : std::uint16_t{0}; }
std::uint16_t EmbeddedServer::tls_port() const noexcept { return impl_->tls ? impl_->tls->port() : std::uint16_t{0}; }
std::string EmbeddedServer::version() const { return impl_->version; }
std::string EmbeddedServer::directory() const { return impl_->directory; }

int EmbeddedServer::server_pid() const noexcept {
    try {
        return impl_->link->status().pid;
    } catch (const std::exception&) {
        return 0;  // its supervisor is gone, and took it along
    }
}

void EmbeddedServer::kill() { impl_->link->signal(SIGKILL, Phase::none, signal_patience); }

void EmbeddedServer::stop() {
    resume();  // while it is stopped SIGTERM would wait
    impl_->link->signal(SIGTERM, Phase::none, signal_patience);
}

void EmbeddedServer::pause() {
    if (impl_->link->signal(SIGSTOP, Phase::stopped, signal_patience).phase != Phase::stopped) {
        raise_connection("embedded server: cannot be paused, for it is not running");
    }
}

void EmbeddedServer::resume() { impl_->link->signal(SIGCONT, Phase::running, signal_patience); }

void EmbeddedServer::restart() {
    restart_without_waiting();
    try {
        impl_->wait_until_ready();
    } catch (const EndedEarly& ended) {
        impl_->raise_ended(ended);
    }
}

void EmbeddedServer::restart_without_waiting() {
    kill();
    impl_->link->start();
}

}  // namespace redoubt
