// tests: one connection through the soak's gate; see the header.
#include "link.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::soak {

void End::note(std::uint32_t events) noexcept {
    if ((events & (EPOLLIN | EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) readable_ = true;
    if ((events & EPOLLOUT) != 0) writable_ = true;
}

std::ptrdiff_t End::read(char* into, std::size_t room) noexcept {
    const ssize_t got = ::recv(fd_, into, room, MSG_DONTWAIT);
    if (got > 0) {
        // A short read has emptied the socket; the next byte is an event of its own, but an end may have come with it.
        return got;
    }
    readable_ = false;
    return got < 0 && (errno == EAGAIN || errno == EINTR) ? 0 : -1;
}

std::ptrdiff_t End::write(const char* from, std::size_t size) noexcept {
    const ssize_t put = ::send(fd_, from, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put >= 0) return put;
    writable_ = false;
    return errno == EAGAIN || errno == EINTR ? 0 : -1;
}

void End::end_writing() noexcept {
    if (is_open()) ::shutdown(fd_, SHUT_WR);
}

void End::close() noexcept {
    if (is_open()) ::close(std::exchange(fd_, -1));
}

void End::reset() noexcept {
    if (!is_open()) return;
    const linger now{1, 0};
    ::setsockopt(fd_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    close();
}

bool Flow::pump(End& from, End& to, TimePoint now, Random& random) {
    // One round, so that no connection keeps the others waiting; more when it got everything rid of.
    for (int round = 0; round < 4; ++round) {
        fill(from);
        if (swap_ && swap_two_replies()) swap_ = false;
        if (now < held_until_) return false;
        const std::size_t before = begin_;
        const bool splitting = split_left_ != 0;
        empty(to, random);
        if (splitting) return !drained() && to.writable();
        if (!drained() || begin_ == before) break;
    }
    return from.readable() && end_ < capacity;
}

void Flow::fill(End& from) {
    if (!from.readable() || source_ended_) return;
    if (begin_ == end_) {
        begin_ = end_ = 0;
    } else if (end_ == capacity && begin_ != 0) {
        std::memmove(bytes_.data(), bytes_.data() + begin_, end_ - begin_);
        end_ -= std::exchange(begin_, 0);
    }
    while (end_ < capacity && from.readable()) {
        const std::ptrdiff_t got = from.read(bytes_.data() + end_, capacity - end_);
        if (got < 0) source_ended_ = true;
        if (got <= 0) return;
        end_ += static_cast<std::size_t>(got);
    }
}

void Flow::empty(End& to, Random& random) {
    while (begin_ != end_ && to.writable() && ends_after_ != 0) {
        std::size_t size = std::min(end_ - begin_, ends_after_);
        if (split_left_ != 0) size = std::min<std::size_t>(size, random.between(1, 200));
        const std::ptrdiff_t put = to.write(bytes_.data() + begin_, size);
        if (put < 0) broken_ = true;
        if (put <= 0) return;
        begin_ += static_cast<std::size_t>(put);
        if (ends_after_ != never) ends_after_ -= static_cast<std::size_t>(put);
        if (split_left_ != 0) {
            split_left_ -= std::min(split_left_, static_cast<std::size_t>(put));
            return;  // the next piece in the next turn, so that this one is read by itself
        }
    }
}

namespace {

/// Where the string reply that begins at `at` ends; nullopt: none begins there, or it is not whole.
std::optional<std::size_t> end_of_string(std::string_view bytes, std::size_t at) {
    if (at >= bytes.size() || bytes[at] != '$') return std::nullopt;
    std::size_t length = 0;
    const auto [rest, failed] = std::from_chars(bytes.data() + at + 1, bytes.data() + bytes.size(), length);
    const auto head = static_cast<std::size_t>(rest - bytes.data());
    if (failed != std::errc() || bytes.substr(head, 2) != "\r\n") return std::nullopt;
    const std::size_t end = head + 2 + length + 2;
    return end <= bytes.size() ? std::optional(end) : std::nullopt;
}

}  // namespace

bool Flow::swap_two_replies() {
    const std::string_view bytes(bytes_.data() + begin_, end_ - begin_);
    for (std::size_t at = bytes.find("\r\n$"); at != std::string_view::npos; at = bytes.find("\r\n$", at + 2)) {
        const std::size_t first = at + 2;
        const auto second = end_of_string(bytes, first);
        const auto end = second ? end_of_string(bytes, *second) : std::nullopt;
        if (!end || bytes.substr(first, *second - first) == bytes.substr(*second, *end - *second)) continue;
        char* const base = bytes_.data() + begin_;
        std::rotate(base + first, base + *second, base + *end);
        return true;
    }
    return false;
}

Link::Link(int client, int server) noexcept : client_(client), server_(server) {
    const int yes = 1;
    ::setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
}

bool Link::pump(TimePoint now, Random& random) {
    bool again = up_.pump(client_, server_, now, random);
    again |= down_.pump(server_, client_, now, random);
    if (half_closed_until_ != TimePoint::max()) {
        down_.drop();  // nobody reads it
        if (now >= half_closed_until_) close();
    }
    for (const Flow* const flow : {&up_, &down_}) {
        if (flow->reached_its_end() && flow->ending() == Flow::Ending::reset) reset();
        if (flow->reached_its_end() || flow->broken()) close();
    }
    // What the library sent before it closed still reaches the server, as it does on a network.
    if (up_.source_ended() && (up_.drained() || !server_.is_open())) close();
    if ((down_.source_ended() || !server_.is_open()) && down_.drained()) close();
    return again && !is_over();
}

void Link::reset() noexcept {
    client_.reset();
    server_.reset();
}

void Link::half_close(TimePoint until) noexcept {
    client_.end_writing();
    half_closed_until_ = until;
}

void Link::close() noexcept {
    client_.close();
    server_.close();
}

}  // namespace redoubt::soak
