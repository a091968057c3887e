// embedded: the smallest RESP connection, to ask a server things past the library: is it up, what does it store.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/clock.hpp>

namespace redoubt::embedded {

/// A blocking connection that sends commands as they are and gives replies as the server sent them. For one
/// thread. Every failure is a std::system_error (time-out: std::errc::timed_out) or, when the peer does not
/// speak RESP, a std::runtime_error.
class RawConnection {
public:
    static RawConnection to_unix_socket(const std::string& path, Duration timeout);
    static RawConnection to_tcp(const std::string& address, std::uint16_t port, Duration timeout);
    ~RawConnection();
    RawConnection(RawConnection&& other) noexcept;
    RawConnection& operator=(RawConnection&& other) noexcept;

    void send(std::string_view bytes);
    /// The next reply, byte for byte: `$3\r\nfoo\r\n`.
    std::string read_frame();
    /// Sends one command and returns its reply. The time-out is for each exchange.
    std::string exchange(std::span<const std::string_view> arguments);

private:
    RawConnection(int fd, Duration timeout) noexcept : fd_(fd), timeout_(timeout) {}
    void wait(short events, TimePoint deadline) const;
    void fill(TimePoint deadline);
    std::size_t end_of_line(std::size_t from, TimePoint deadline);
    std::size_t end_of_value(std::size_t from, int depth, TimePoint deadline);

    int fd_ = -1;
    Duration timeout_{};
    std::string buffer_;
};

/// A command as RESP bytes.
std::string encode_command(std::span<const std::string_view> arguments);

/// The strings of a reply: a string or number alone, or all in an array, depth first; nulls as empty ones.
/// @throws std::runtime_error with the server's line when the reply is an error
std::vector<std::string> strings_of_frame(std::string_view frame);

}  // namespace redoubt::embedded
