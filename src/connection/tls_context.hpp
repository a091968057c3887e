// connection: the OpenSSL context that all TLS connections of one service share.
#pragma once

#include <memory>
#include <string>

#include <redoubt/base/config.hpp>

struct ssl_ctx_st;
struct ssl_st;

namespace redoubt::connection {

/// Loads authorities and the client certificate once. Immutable afterwards; safe to share between threads.
class TlsContext {
public:
    /// @throws RedisConfigurationException when a file cannot be read or does not fit the key
    explicit TlsContext(const TlsConfig& config);

    struct SslDeleter {
        void operator()(ssl_st* ssl) const noexcept;
    };
    using Ssl = std::unique_ptr<ssl_st, SslDeleter>;

    /// A client session over the connected socket `fd` (which it does not own) that will verify the peer against
    /// `tls_server_name`, else `host`, as a DNS name or an IP address.
    Ssl make_session(int fd, const std::string& host) const;

private:
    struct ContextDeleter {
        void operator()(ssl_ctx_st* context) const noexcept;
    };
    std::unique_ptr<ssl_ctx_st, ContextDeleter> context_;
    std::string server_name_;
    bool verify_;
};

/// What OpenSSL's error queue says, cleared; with the verification result of `ssl` when that is the cause.
std::string tls_error_text(const ssl_st* ssl);

}  // namespace redoubt::connection
