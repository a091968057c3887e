// tests: the other end of a wire: a Unix socket in a temporary folder, played by the test or by a thread.
#pragma once

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <functional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/transport.hpp"
#include "support/scripted_operation.hpp"

namespace redoubt::testing {

/// An accepted connection. Reads wait for ten seconds at most.
class PeerSocket {
public:
    PeerSocket() = default;
    explicit PeerSocket(int fd) : fd_(fd) {}
    PeerSocket(PeerSocket&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    PeerSocket& operator=(PeerSocket&& other) noexcept {
        close();
        fd_ = std::exchange(other.fd_, -1);
        return *this;
    }
    ~PeerSocket() { close(); }

    void close() {
        if (fd_ >= 0) ::close(std::exchange(fd_, -1));
    }
    int fd() const { return fd_; }
    bool readable(int milliseconds = 0) const {
        pollfd state{fd_, POLLIN, 0};
        return ::poll(&state, 1, milliseconds) > 0;
    }
    /// What came; empty: the other end closed.
    std::string read_some() const {
        if (!readable(10'000)) throw std::runtime_error("nothing was sent");
        char buffer[65536];
        const ssize_t got = ::recv(fd_, buffer, sizeof buffer, 0);
        return got > 0 ? std::string(buffer, static_cast<std::size_t>(got)) : std::string();
    }
    /// Exactly so many bytes.
    std::string read(std::size_t bytes) const {
        std::string all;
        while (all.size() < bytes) {
            const std::string some = read_some();
            if (some.empty()) throw std::runtime_error("closed after " + all);
            all += some;
        }
        return all;
    }
    /// False: the other end is gone.
    bool write(std::string_view bytes) const {
        while (!bytes.empty()) {
            const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent < 0 && errno == EINTR) continue;
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    void hang_up() const { ::shutdown(fd_, SHUT_RDWR); }

private:
    int fd_ = -1;
};

/// Listens in a folder of its own.
class Listener {
public:
    Listener() {
        std::string pattern = (std::filesystem::temp_directory_path() / "redoubt-peer-XXXXXX").string();
        if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
        folder_ = pattern;
        const connection::Address address = connection::unix_address(path());
        fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_storage storage = address.storage;
        if (::bind(fd_, reinterpret_cast<sockaddr*>(&storage), address.size) != 0 || ::listen(fd_, 100) != 0) {
            throw std::runtime_error(std::string("cannot listen: ") + std::strerror(errno));
        }
    }
    ~Listener() {
        ::close(fd_);
        std::error_code ignored;
        std::filesystem::remove_all(folder_, ignored);
    }
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    std::string path() const { return (folder_ / "s").string(); }
    connection::Transport connect() const {
        connection::Transport transport;
        const connection::IoResult connected = transport.connect(connection::unix_address(path()));
        if (connected.status != connection::IoStatus::ok) throw std::runtime_error(transport.describe(connected));
        return transport;
    }
    PeerSocket accept() const {
        pollfd state{fd_, POLLIN, 0};
        if (::poll(&state, 1, 10'000) <= 0) throw std::runtime_error("nobody connects");
        return PeerSocket(::accept4(fd_, nullptr, nullptr, SOCK_CLOEXEC));
    }

private:
    std::filesystem::path folder_;
    int fd_ = -1;
};

/// A thread that answers each `<name>` with what `answer` says, by itself with the name as a bulk string. It ends when
/// the wire closes, or the object.
class EchoPeer {
public:
    using Answer = std::function<std::string(const std::string& name)>;

    explicit EchoPeer(
        PeerSocket socket, Answer answer = [](const std::string& name) { return bulk(name); })
        : socket_(std::move(socket)), thread_([this, answer = std::move(answer)] { run(answer); }) {}
    ~EchoPeer() {
        socket_.hang_up();
        thread_.join();
    }
    EchoPeer(const EchoPeer&) = delete;
    EchoPeer& operator=(const EchoPeer&) = delete;
    void hang_up() { socket_.hang_up(); }

private:
    void run(const Answer& answer) {
        std::string input;
        char buffer[65536];
        for (;;) {
            const ssize_t got = ::recv(socket_.fd(), buffer, sizeof buffer, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return;
            input.append(buffer, static_cast<std::size_t>(got));
            std::string output;
            std::size_t at = 0;
            for (std::size_t end = input.find('>'); end != std::string::npos; end = input.find('>', at)) {
                output += answer(input.substr(at + 1, end - at - 1));
                at = end + 1;
            }
            input.erase(0, at);
            if (!socket_.write(output)) return;
        }
    }

    PeerSocket socket_;
    std::thread thread_;
};

}  // namespace redoubt::testing
