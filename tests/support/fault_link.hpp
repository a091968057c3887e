// tests: one connection through the fault gate: two sockets, and a bounded buffer for each direction.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/base/clock.hpp>

#include "support/fault_schedule.hpp"
#include "support/random.hpp"

namespace redoubt::testing {

/// A socket, and what epoll (edge-triggered) has said of it.
class End {
public:
    explicit End(int fd) noexcept : fd_(fd) {}
    ~End() { close(); }
    End(const End&) = delete;
    End& operator=(const End&) = delete;

    void note(std::uint32_t events) noexcept;
    bool is_open() const noexcept { return fd_ >= 0; }
    bool readable() const noexcept { return is_open() && readable_; }
    bool writable() const noexcept { return is_open() && writable_; }
    /// Bytes read; 0: nothing now; -1: no more will come.
    std::ptrdiff_t read(char* into, std::size_t room) noexcept;
    /// Bytes written; 0: not now; -1: it is broken.
    std::ptrdiff_t write(const char* from, std::size_t size) noexcept;
    void end_writing() noexcept;
    void close() noexcept;
    void reset() noexcept;  ///< the peer gets ECONNRESET

private:
    int fd_;
    bool readable_ = false;
    bool writable_ = false;
};

/// One direction.
class Flow {
public:
    enum class Ending : std::uint8_t { close, reset };

    Flow() : bytes_(capacity) {}
    void hold(TimePoint until) noexcept { held_until_ = std::max(held_until_, until); }
    /// Nothing is read either.
    void black_hole(TimePoint until) noexcept { hole_until_ = std::max(hole_until_, until); }
    /// So many bytes go out in small pieces.
    void split(std::size_t bytes, std::uint64_t seed) noexcept;
    void throttle(TimePoint until, std::size_t bytes_a_millisecond) noexcept;
    /// Forwards so many more bytes, and then the connection is over.
    void end_after(std::size_t bytes, Ending how) noexcept {
        ends_after_ = bytes;
        ending_ = how;
    }
    /// Exchanges the next two adjacent string replies that differ and come by together. A sabotage.
    void swap_next() noexcept { swap_ = true; }
    /// What is held back goes on now, whole.
    void calm() noexcept;
    /// Bytes that nobody sent, behind those that came.
    void insert(std::string_view bytes);

    /// Moves what it can. Returns when there is more to do although no event will tell; max(): never.
    TimePoint pump(End& from, End& to, TimePoint now);
    /// The receiver has seen an end: what comes for it is lost.
    void deafen() noexcept { deaf_ = true; }

    /// Bytes that came since this was last asked.
    std::size_t take_received() noexcept { return std::exchange(received_, 0); }
    bool drained() const noexcept { return begin_ == end_; }
    bool source_ended() const noexcept { return source_ended_; }
    bool broken() const noexcept { return broken_; }
    bool reached_its_end() const noexcept { return ends_after_ == 0; }
    Ending ending() const noexcept { return ending_; }

private:
    static constexpr std::size_t capacity = 256u << 10u;
    static constexpr std::size_t never = std::numeric_limits<std::size_t>::max();

    void fill(End& from, TimePoint now);
    bool swap_two_replies();
    void empty(End& to, std::size_t allowed);
    std::size_t allowance(TimePoint now) noexcept;

    std::vector<char> bytes_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t received_ = 0;
    std::size_t split_left_ = 0;
    Random pieces_{0};
    std::size_t ends_after_ = never;
    Ending ending_ = Ending::close;
    TimePoint held_until_{};
    TimePoint hole_until_{};
    TimePoint throttled_until_{};
    TimePoint throttled_at_{};  // when it last passed something on
    std::size_t rate_ = 0;      // bytes a millisecond
    bool source_ended_ = false;
    bool broken_ = false;
    bool swap_ = false;
    bool deaf_ = false;
};

class Link {
public:
    Link(int client, int server) noexcept;

    End& client() noexcept { return client_; }
    End& server() noexcept { return server_; }
    Flow& up() noexcept { return up_; }      ///< towards the server
    Flow& down() noexcept { return down_; }  ///< towards the library

    void suffer(const Fault& fault, TimePoint now) noexcept;
    void calm() noexcept;
    /// See Flow::pump.
    TimePoint pump(TimePoint now);
    bool is_over() const noexcept { return !client_.is_open() && !server_.is_open(); }

private:
    void close() noexcept;
    void reset() noexcept;

    End client_;
    End server_;
    Flow up_;
    Flow down_;
    TimePoint half_closed_until_ = TimePoint::max();
};

}  // namespace redoubt::testing
