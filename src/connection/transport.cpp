// connection: sockets; see the header.
#include "connection/transport.hpp"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/un.h>
#include <unistd.h>

#include <fmt/format.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/fork_guard.hpp"

namespace redoubt::connection {
namespace {

void set_option(int fd, int level, int name, int value) noexcept {
    // A socket that does not know an option (a Unix socket, say) works without it.
    (void)::setsockopt(fd, level, name, &value, sizeof value);
}

// A silent loss is noticed by the kernel too: by what was sent and is not acknowledged (see set_loss_timeout), and by
// keepalive probes on an idle connection.
void set_tcp_options(int fd) noexcept {
    set_option(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set_option(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    set_option(fd, IPPROTO_TCP, TCP_KEEPIDLE, 15);
    set_option(fd, IPPROTO_TCP, TCP_KEEPINTVL, 5);
    set_option(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set_option(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 15'000);
}

IoResult failed_with(const char* what) noexcept { return {IoStatus::failed, 0, errno, what}; }

}  // namespace

Address unix_address(const std::string& path) {
    Address address;
    auto* const unix_form = reinterpret_cast<sockaddr_un*>(&address.storage);
    unix_form->sun_family = AF_UNIX;
    // The caller's configuration bounds the length (resolve() refuses a longer path).
    std::memcpy(unix_form->sun_path, path.data(), std::min(path.size(), sizeof unix_form->sun_path - 1));
    address.size = sizeof(sockaddr_un);
    address.text = path;
    return address;
}

Transport::~Transport() { close(); }

Transport::Transport(Transport&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      ssl_(std::move(other.ssl_)),
      tls_mutex_(std::move(other.tls_mutex_)),
      tls_error_(std::move(other.tls_error_)) {}

Transport& Transport::operator=(Transport&& other) noexcept {
    if (this != &other) {
        close();
        fd_ = std::exchange(other.fd_, -1);
        ssl_ = std::move(other.ssl_);
        tls_mutex_ = std::move(other.tls_mutex_);
        tls_error_ = std::move(other.tls_error_);
    }
    return *this;
}

void Transport::close() noexcept {
    ssl_.reset();
    if (fd_ < 0) return;
    base::unguard_descriptor(fd_);
    ::close(std::exchange(fd_, -1));
}

std::string Transport::describe(const IoResult& result) const {
    if (result.status == IoStatus::closed) return "the server closed the connection";
    if (result.error_number != 0) return fmt::format("{}: {}", result.what, std::strerror(result.error_number));
    if (tls_mutex_ == nullptr) return result.what != nullptr ? result.what : "no connection";
    const std::lock_guard lock(*tls_mutex_);
    return tls_error_;
}

IoResult Transport::connect(const Address& address) {
    close();
    fd_ = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd_ < 0) return failed_with("socket");
    base::guard_descriptor(fd_);
    if (address.storage.ss_family != AF_UNIX) set_tcp_options(fd_);
    if (::connect(fd_, reinterpret_cast<const sockaddr*>(&address.storage), address.size) == 0)
        return {IoStatus::ok, 0};
    if (errno == EINPROGRESS || errno == EINTR) return {IoStatus::want_write, 0};
    // A Unix socket whose backlog is full says EAGAIN at once, and there is nothing to wait for.
    return failed_with("connect");
}

IoResult Transport::finish_connect() {
    int failure = 0;
    socklen_t size = sizeof failure;
    if (::getsockopt(fd_, SOL_SOCKET, SO_ERROR, &failure, &size) != 0) return failed_with("getsockopt");
    if (failure == 0) return {IoStatus::ok, 0};
    errno = failure;
    return failed_with("connect");
}

void Transport::set_loss_timeout(Duration timeout) noexcept {
    using std::chrono::milliseconds;
    const auto wanted = std::chrono::ceil<milliseconds>(timeout).count();
    set_option(fd_, IPPROTO_TCP, TCP_USER_TIMEOUT, static_cast<int>(std::clamp<std::int64_t>(wanted, 1000, INT_MAX)));
}

IoResult Transport::tls_handshake(const TlsContext& context, const std::string& host) {
    if (ssl_ == nullptr) {
        ssl_ = context.make_session(fd_, host);
        tls_mutex_ = std::make_unique<std::mutex>();
    }
    ERR_clear_error();
    const int returned = SSL_do_handshake(ssl_.get());
    return returned == 1 ? IoResult{IoStatus::ok, 0} : tls_result(returned);
}

IoResult Transport::tls_result(int returned) {
    switch (SSL_get_error(ssl_.get(), returned)) {
        case SSL_ERROR_WANT_READ: return {IoStatus::want_read, 0};
        case SSL_ERROR_WANT_WRITE: return {IoStatus::want_write, 0};
        case SSL_ERROR_ZERO_RETURN: return {IoStatus::closed, 0};
        case SSL_ERROR_SYSCALL:
            if (errno != 0 && ERR_peek_error() == 0) return failed_with("TLS");
            [[fallthrough]];
        default: tls_error_ = tls_error_text(ssl_.get()); return {IoStatus::failed, 0, 0, "TLS"};
    }
}

IoResult Transport::read(std::span<char> into) {
    if (ssl_ != nullptr) {
        const std::lock_guard lock(*tls_mutex_);
        ERR_clear_error();
        const int size = static_cast<int>(std::min<std::size_t>(into.size(), INT_MAX));
        const int got = SSL_read(ssl_.get(), into.data(), size);
        return got > 0 ? IoResult{IoStatus::ok, static_cast<std::size_t>(got)} : tls_result(got);
    }
    const ssize_t got = ::recv(fd_, into.data(), into.size(), 0);
    if (got > 0) return {IoStatus::ok, static_cast<std::size_t>(got)};
    if (got == 0) return {IoStatus::closed, 0};
    if (errno == EAGAIN || errno == EINTR) return {IoStatus::want_read, 0};
    return failed_with("read");
}

IoResult Transport::write(std::string_view bytes) {
    if (ssl_ != nullptr) {
        const std::lock_guard lock(*tls_mutex_);
        ERR_clear_error();
        const int size = static_cast<int>(std::min<std::size_t>(bytes.size(), INT_MAX));
        const int sent = SSL_write(ssl_.get(), bytes.data(), size);
        return sent > 0 ? IoResult{IoStatus::ok, static_cast<std::size_t>(sent)} : tls_result(sent);
    }
    const ssize_t sent = ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent >= 0) return {IoStatus::ok, static_cast<std::size_t>(sent)};
    if (errno == EAGAIN || errno == EINTR) return {IoStatus::want_write, 0};
    return failed_with("write");
}

bool Transport::is_quiet() const noexcept {
    if (fd_ < 0) return false;
    pollfd state{fd_, POLLIN | POLLRDHUP, 0};
    if (::poll(&state, 1, 0) == 0) return true;
    // TLS 1.3 session tickets arrive unasked and are no data; the next read will tell.
    if (ssl_ != nullptr && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) == 0) return true;
    return false;
}

}  // namespace redoubt::connection
