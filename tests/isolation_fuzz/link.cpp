// tests: a socket for batches; see the header.
#include "link.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

namespace redoubt::isolation_fuzz {
namespace {

constexpr int patience_ms = 60'000;

bool would_block() noexcept { return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR; }

}  // namespace

Link::Link(const std::string& socket_path) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    if (socket_path.size() >= sizeof address.sun_path) throw std::runtime_error("the socket's path is too long");
    std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
    fd_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // NOLINTNEXTLINE: the socket interface wants it so
    if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
        if (fd_ >= 0) ::close(fd_);
        throw std::runtime_error(std::string("the server does not listen: ") + std::strerror(errno));
    }
    ::fcntl(fd_, F_SETFL, O_NONBLOCK);
}

Link::~Link() { ::close(fd_); }

void Link::transfer(std::string_view& bytes, bool reading) {
    pollfd ready{fd_, static_cast<short>((bytes.empty() ? 0 : POLLOUT) | (reading ? POLLIN : 0)), 0};
    if (::poll(&ready, 1, patience_ms) == 0) throw std::runtime_error("the server does not answer");
    if ((ready.revents & POLLOUT) != 0) {
        const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
        if (sent < 0 && !would_block()) throw std::runtime_error("the server does not take the commands");
        if (sent > 0) bytes.remove_prefix(static_cast<std::size_t>(sent));
    }
    if ((ready.revents & (POLLIN | POLLHUP | POLLERR)) != 0) receive();
}

bool Link::receive() {
    std::array<char, 65536> chunk;
    const ssize_t got = ::recv(fd_, chunk.data(), chunk.size(), 0);
    if (got < 0 && would_block()) return false;
    if (got <= 0) throw std::runtime_error("the server closed the connection");
    received_.append(chunk.data(), static_cast<std::size_t>(got));
    return true;
}

std::string Link::unasked() {
    while (receive()) continue;
    std::string bytes = received_.substr(taken_);
    received_.clear();
    taken_ = 0;
    return bytes;
}

}  // namespace redoubt::isolation_fuzz
