// tests: one connection through the fault gate; see the header.
#include "support/fault_link.hpp"

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

namespace redoubt::testing {

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

void Flow::split(std::size_t bytes, std::uint64_t seed) noexcept {
    split_left_ = bytes;
    pieces_ = Random(seed);
}

void Flow::throttle(TimePoint until, std::size_t bytes_a_millisecond) noexcept {
    throttled_until_ = until;
    throttled_at_ = Clock::now();
    rate_ = std::max<std::size_t>(bytes_a_millisecond, 1);
}

void Flow::calm() noexcept {
    held_until_ = hole_until_ = throttled_until_ = TimePoint{};
    split_left_ = 0;
}

void Flow::insert(std::string_view bytes) {
    if (begin_ == end_) begin_ = end_ = 0;
    const std::size_t room = std::min(bytes.size(), capacity - end_);
    std::memcpy(bytes_.data() + end_, bytes.data(), room);
    end_ += room;
}

TimePoint Flow::pump(End& from, End& to, TimePoint now) {
    // One round, so that no connection keeps the others waiting; more when it got everything rid of.
    for (int round = 0; round < 4; ++round) {
        fill(from, now);
        if (swap_ && swap_two_replies()) swap_ = false;
        if (const TimePoint held = std::max(held_until_, hole_until_); now < held) return held;
        const std::size_t allowed = allowance(now);
        if (allowed == 0) return now + std::chrono::milliseconds(1);
        const std::size_t before = begin_;
        const bool bounded = split_left_ != 0 || allowed != never;
        empty(to, allowed);
        if (bounded) return !drained() && to.writable() ? now : TimePoint::max();
        if (!drained() || begin_ == before) break;
    }
    return from.readable() && end_ < capacity ? now : TimePoint::max();
}

std::size_t Flow::allowance(TimePoint now) noexcept {
    if (now >= throttled_until_) return never;
    const auto passed = std::chrono::floor<std::chrono::milliseconds>(now - throttled_at_);
    if (passed.count() <= 0) return 0;
    throttled_at_ += passed;
    return static_cast<std::size_t>(passed.count()) * rate_;
}

void Flow::fill(End& from, TimePoint now) {
    if (!from.readable() || source_ended_ || now < hole_until_) return;
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
        received_ += static_cast<std::size_t>(got);
    }
}

void Flow::empty(End& to, std::size_t allowed) {
    if (deaf_) begin_ = end_;
    while (begin_ != end_ && to.writable() && ends_after_ != 0 && allowed != 0) {
        std::size_t size = std::min({end_ - begin_, ends_after_, allowed});
        if (split_left_ != 0) size = std::min<std::size_t>(size, pieces_.between(1, 200));
        const std::ptrdiff_t put = to.write(bytes_.data() + begin_, size);
        if (put < 0) broken_ = true;
        if (put <= 0) return;
        const auto moved = static_cast<std::size_t>(put);
        begin_ += moved;
        if (allowed != never) allowed -= moved;
        if (ends_after_ != never) ends_after_ -= moved;
        if (split_left_ != 0) {
            split_left_ -= std::min(split_left_, moved);
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

void Link::suffer(const Fault& fault, TimePoint now) noexcept {
    const TimePoint until =
        fault.milliseconds == Fault::for_ever ? TimePoint::max() : now + std::chrono::milliseconds(fault.milliseconds);
    const bool upwards = fault.direction != Direction::down;
    const bool downwards = fault.direction != Direction::up;
    const auto each = [&](auto act) {
        if (upwards) act(up_);
        if (downwards) act(down_);
    };
    switch (fault.kind) {
        case FaultKind::delay: return each([&](Flow& flow) { flow.hold(until); });
        case FaultKind::throttle: return each([&](Flow& flow) { flow.throttle(until, fault.bytes); });
        case FaultKind::split: return each([&](Flow& flow) { flow.split(fault.bytes, fault.seed); });
        case FaultKind::black_hole: return each([&](Flow& flow) { flow.black_hole(until); });
        case FaultKind::drop: return each([&](Flow& flow) { flow.end_after(fault.bytes, Flow::Ending::close); });
        case FaultKind::reset: return each([&](Flow& flow) { flow.end_after(fault.bytes, Flow::Ending::reset); });
        case FaultKind::half_close:
            half_closed_until_ = std::min(half_closed_until_, until);
            if (upwards) server_.end_writing();
            if (downwards) client_.end_writing();
            return each([](Flow& flow) { flow.deafen(); });
    }
}

void Link::calm() noexcept {
    up_.calm();
    down_.calm();
}

TimePoint Link::pump(TimePoint now) {
    const TimePoint again = std::min(up_.pump(client_, server_, now), down_.pump(server_, client_, now));
    if (now >= half_closed_until_) close();
    for (const Flow* const flow : {&up_, &down_}) {
        if (flow->reached_its_end() && flow->ending() == Flow::Ending::reset) reset();
        if (flow->reached_its_end() || flow->broken()) close();
    }
    // What the library sent before it closed still reaches the server, as it does on a network.
    if (up_.source_ended() && (up_.drained() || !server_.is_open())) close();
    if ((down_.source_ended() || !server_.is_open()) && down_.drained()) close();
    return is_over() ? TimePoint::max() : std::min(again, half_closed_until_);
}

void Link::reset() noexcept {
    client_.reset();
    server_.reset();
}

void Link::close() noexcept {
    client_.close();
    server_.close();
}

}  // namespace redoubt::testing
