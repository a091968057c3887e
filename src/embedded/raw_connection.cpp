// embedded: the smallest RESP connection, to ask a server things past the library: is it up, what does it store.
#include "embedded/raw_connection.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace redoubt::embedded {
namespace {

constexpr int max_depth = 64;

[[noreturn]] void raise_errno(int code, const char* what) {
    throw std::system_error(code, std::generic_category(), what);
}

[[noreturn]] void raise_not_resp() { throw std::runtime_error("the peer does not speak RESP"); }

/// Connects without blocking, so that a server that hangs (its backlog full) cannot hold the caller.
int connected_socket(const sockaddr* address, socklen_t size, TimePoint deadline) {
    const int fd = ::socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) raise_errno(errno, "socket");
    int code = ::connect(fd, address, size) == 0 ? 0 : errno;
    if (code == EINPROGRESS) {
        pollfd polled{fd, POLLOUT, 0};
        int ready = 0;
        do {
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
            ready = ::poll(&polled, 1, static_cast<int>(std::max<std::int64_t>(left, 0)));
        } while (ready < 0 && errno == EINTR);
        socklen_t length = sizeof code;
        if (ready <= 0) {
            code = ETIMEDOUT;
        } else if (::getsockopt(fd, SOL_SOCKET, SO_ERROR, &code, &length) != 0) {
            code = errno;
        }
    }
    if (code != 0) {
        ::close(fd);
        raise_errno(code, "connect");
    }
    return fd;
}

std::int64_t number_of(std::string_view line) {
    std::int64_t number = 0;
    const auto [end, code] = std::from_chars(line.data(), line.data() + line.size(), number);
    if (code != std::errc{} || end != line.data() + line.size()) raise_not_resp();
    return number;
}

bool is_bulk(char type) { return type == '$' || type == '!' || type == '='; }
bool is_aggregate(char type) { return type == '*' || type == '~' || type == '>' || type == '%' || type == '|'; }
/// How many values follow an aggregate's header; an attribute stands before the value that it describes.
std::int64_t values_after(char type, std::int64_t count) {
    if (type == '%') return count * 2;
    if (type == '|') return count * 2 + 1;
    return count;
}

}  // namespace

RawConnection RawConnection::to_unix_socket(const std::string& path, Duration timeout) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (path.size() >= sizeof address.sun_path) raise_errno(ENAMETOOLONG, "connect");
    std::copy(path.begin(), path.end(), address.sun_path);
    const void* any = &address;
    return {connected_socket(static_cast<const sockaddr*>(any), sizeof address, Clock::now() + timeout), timeout};
}

RawConnection RawConnection::to_tcp(const std::string& host, std::uint16_t port, Duration timeout) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    if (::inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) raise_errno(EINVAL, "connect");
    const void* any = &address;
    return {connected_socket(static_cast<const sockaddr*>(any), sizeof address, Clock::now() + timeout), timeout};
}

RawConnection::~RawConnection() {
    if (fd_ >= 0) ::close(fd_);
}

RawConnection::RawConnection(RawConnection&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), timeout_(other.timeout_), buffer_(std::move(other.buffer_)) {}

RawConnection& RawConnection::operator=(RawConnection&& other) noexcept {
    std::swap(fd_, other.fd_);
    std::swap(timeout_, other.timeout_);
    std::swap(buffer_, other.buffer_);
    return *this;
}

void RawConnection::wait(short events, TimePoint deadline) const {
    for (;;) {
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - Clock::now()).count();
        if (left <= 0) raise_errno(ETIMEDOUT, "waiting for the server");
        pollfd polled{fd_, events, 0};
        const int ready = ::poll(&polled, 1, static_cast<int>(left));
        if (ready > 0) return;
        if (ready < 0 && errno != EINTR) raise_errno(errno, "poll");
    }
}

void RawConnection::send(std::string_view bytes) {
    const TimePoint deadline = Clock::now() + timeout_;
    while (!bytes.empty()) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent >= 0) {
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        } else if (errno == EAGAIN) {
            wait(POLLOUT, deadline);
        } else if (errno != EINTR) {
            raise_errno(errno, "send");
        }
    }
}

void RawConnection::fill(TimePoint deadline) {
    char chunk[16384];
    for (;;) {
        const ssize_t size = ::recv(fd_, chunk, sizeof chunk, 0);
        if (size > 0) {
            buffer_.append(chunk, static_cast<std::size_t>(size));
            return;
        }
        if (size == 0) raise_errno(ECONNRESET, "the server closed the connection");
        if (errno == EAGAIN) {
            wait(POLLIN, deadline);
        } else if (errno != EINTR) {
            raise_errno(errno, "recv");
        }
    }
}

/// Index just past the line that starts at `from`.
std::size_t RawConnection::end_of_line(std::size_t from, TimePoint deadline) {
    for (;;) {
        const std::size_t at = buffer_.find("\r\n", from);
        if (at != std::string::npos) return at + 2;
        fill(deadline);
    }
}

std::size_t RawConnection::end_of_value(std::size_t from, int depth, TimePoint deadline) {
    if (depth > max_depth) raise_not_resp();
    std::size_t end = end_of_line(from, deadline);
    const char type = buffer_[from];
    const std::string_view rest = std::string_view(buffer_).substr(from + 1, end - from - 3);
    if (is_bulk(type)) {
        const std::int64_t size = number_of(rest);
        if (size < 0) return end;
        end += static_cast<std::size_t>(size) + 2;
        while (buffer_.size() < end) fill(deadline);
    } else if (is_aggregate(type)) {
        const std::int64_t values = values_after(type, number_of(rest));
        for (std::int64_t i = 0; i < values; ++i) end = end_of_value(end, depth + 1, deadline);
    } else if (std::string_view("+-:,#(_").find(type) == std::string_view::npos) {
        raise_not_resp();
    }
    return end;
}

std::string RawConnection::read_frame() {
    const std::size_t end = end_of_value(0, 0, Clock::now() + timeout_);
    std::string frame = buffer_.substr(0, end);
    buffer_.erase(0, end);
    return frame;
}

std::string RawConnection::exchange(std::span<const std::string_view> arguments) {
    send(encode_command(arguments));
    return read_frame();
}

std::string encode_command(std::span<const std::string_view> arguments) {
    std::string bytes = "*" + std::to_string(arguments.size()) + "\r\n";
    for (const std::string_view argument : arguments) {
        bytes += "$" + std::to_string(argument.size()) + "\r\n";
        bytes += argument;
        bytes += "\r\n";
    }
    return bytes;
}

std::vector<std::string> strings_of_frame(std::string_view frame) {
    std::vector<std::string> strings;
    while (!frame.empty()) {
        const std::size_t end = frame.find("\r\n");
        if (end == std::string_view::npos) raise_not_resp();
        const char type = frame[0];
        const std::string_view line = frame.substr(1, end - 1);
        frame.remove_prefix(end + 2);
        if (type == '-') throw std::runtime_error(std::string(line));
        if (is_aggregate(type)) continue;  // depth first, the elements simply follow
        if (!is_bulk(type)) {
            strings.emplace_back(line);
            continue;
        }
        const std::int64_t size = number_of(line);
        if (size < 0) {
            strings.emplace_back();
            continue;
        }
        if (frame.size() < static_cast<std::size_t>(size) + 2) raise_not_resp();
        const std::string_view bulk = frame.substr(0, static_cast<std::size_t>(size));
        if (type == '!') throw std::runtime_error(std::string(bulk));
        strings.emplace_back(bulk);
        frame.remove_prefix(bulk.size() + 2);
    }
    return strings;
}

}  // namespace redoubt::embedded
