// connection: one non-blocking socket, plain or under TLS. The only place that reads and writes bytes; both
// drivers use it, and wait for it each in their way.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include <sys/socket.h>

#include <redoubt/base/clock.hpp>

#include "connection/tls_context.hpp"

namespace redoubt::connection {

/// A socket address of any family.
struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    std::string text;  ///< `127.0.0.1:6379`, for messages
};
Address unix_address(const std::string& path);

enum class IoStatus : std::uint8_t { ok, want_read, want_write, closed, failed };

/// What one call to the socket gave. A failure carries its own cause, because one thread may read while another
/// writes; `Transport::describe` makes a text of it.
struct IoResult {
    IoStatus status = IoStatus::failed;
    std::size_t bytes = 0;
    int error_number = 0;        ///< errno, when the system failed
    const char* what = nullptr;  ///< static: what was tried
};

/// Owns the descriptor. One thread may read while another writes.
class Transport {
public:
    Transport() = default;
    ~Transport();
    Transport(Transport&& other) noexcept;
    Transport& operator=(Transport&& other) noexcept;

    /// Starts to connect: `ok`, `want_write` (then `finish_connect`), or `failed`.
    IoResult connect(const Address& address);
    IoResult finish_connect();
    /// A TCP connection is given up when what was sent stays unacknowledged for so long, or keepalive on an idle one
    /// finds nobody (after 15 s without traffic). Until it is called: 15 s. No less than a second, within which
    /// TCP mends a lost packet.
    void set_loss_timeout(Duration timeout) noexcept;
    /// To be repeated until `ok`.
    IoResult tls_handshake(const TlsContext& context, const std::string& host);

    IoResult read(std::span<char> into);
    IoResult write(std::string_view bytes);

    bool is_open() const noexcept { return fd_ >= 0; }
    int fd() const noexcept { return fd_; }
    /// TLS may hold decrypted bytes that no poll of the descriptor announces: read until `want_read`.
    bool is_tls() const noexcept { return ssl_ != nullptr; }
    /// False when an idle connection was closed by its peer, or says something that nobody asked for.
    bool is_quiet() const noexcept;
    /// A line about a result that is `closed` or `failed`.
    std::string describe(const IoResult& result) const;
    void close() noexcept;

private:
    IoResult tls_result(int returned);

    int fd_ = -1;
    TlsContext::Ssl ssl_;
    // OpenSSL forbids reading and writing one session at once, and keeps its errors by thread.
    std::unique_ptr<std::mutex> tls_mutex_;
    std::string tls_error_;  // of the last failure of the session, under its mutex
};

}  // namespace redoubt::connection
