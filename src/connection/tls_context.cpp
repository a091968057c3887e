// connection: OpenSSL set-up; see the header.
#include "connection/tls_context.hpp"

#include <sys/socket.h>
#include <cerrno>

#include <fmt/format.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <redoubt/base/error.hpp>

namespace redoubt::connection {
namespace {

// OpenSSL's own socket BIO uses write(2), which raises SIGPIPE when the peer is gone. Ours is the same over
// send(2) with MSG_NOSIGNAL; it borrows the descriptor.
int bio_fd(BIO* bio) { return static_cast<int>(reinterpret_cast<std::intptr_t>(BIO_get_data(bio))); }

int bio_write(BIO* bio, const char* data, int size) {
    const ssize_t sent = ::send(bio_fd(bio), data, static_cast<std::size_t>(size), MSG_NOSIGNAL);
    BIO_clear_retry_flags(bio);
    if (sent < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_write(bio);
    return static_cast<int>(sent);
}

int bio_read(BIO* bio, char* data, int size) {
    const ssize_t got = ::recv(bio_fd(bio), data, static_cast<std::size_t>(size), 0);
    BIO_clear_retry_flags(bio);
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) BIO_set_retry_read(bio);
    return static_cast<int>(got);
}

long bio_control(BIO*, int command, long, void*) { return command == BIO_CTRL_FLUSH ? 1 : 0; }

BIO_METHOD* socket_method() {
    static BIO_METHOD* const method = [] {
        BIO_METHOD* made = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "redoubt socket");
        BIO_meth_set_write(made, bio_write);
        BIO_meth_set_read(made, bio_read);
        BIO_meth_set_ctrl(made, bio_control);
        return made;
    }();
    return method;
}

[[noreturn]] void refuse(const char* field, const std::string& value) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                             fmt::format("{} = {}: {}", field, value, tls_error_text(nullptr))));
}

}  // namespace

void TlsContext::SslDeleter::operator()(ssl_st* ssl) const noexcept { SSL_free(ssl); }
void TlsContext::ContextDeleter::operator()(ssl_ctx_st* context) const noexcept { SSL_CTX_free(context); }

TlsContext::TlsContext(const TlsConfig& config)
    : context_(SSL_CTX_new(TLS_client_method())), server_name_(config.server_name), verify_(config.verify) {
    SSL_CTX* const context = context_.get();
    if (context == nullptr) refuse("tls", "OpenSSL");
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_mode(context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(context, verify_ ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nullptr);
    if (config.ca.empty()) {
        SSL_CTX_set_default_verify_paths(context);
    } else if (SSL_CTX_load_verify_locations(context, config.ca.c_str(), nullptr) != 1) {
        refuse("tls_ca", config.ca);
    }
    if (!config.cert.empty() && SSL_CTX_use_certificate_chain_file(context, config.cert.c_str()) != 1) {
        refuse("tls_cert", config.cert);
    }
    if (!config.key.empty() && (SSL_CTX_use_PrivateKey_file(context, config.key.c_str(), SSL_FILETYPE_PEM) != 1 ||
                                SSL_CTX_check_private_key(context) != 1)) {
        refuse("tls_key", config.key);
    }
}

TlsContext::Ssl TlsContext::make_session(int fd, const std::string& host) const {
    Ssl ssl(SSL_new(context_.get()));
    BIO* const bio = BIO_new(socket_method());
    BIO_set_data(bio, reinterpret_cast<void*>(static_cast<std::intptr_t>(fd)));
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl.get(), bio, bio);
    SSL_set_connect_state(ssl.get());

    const std::string& name = server_name_.empty() ? host : server_name_;
    X509_VERIFY_PARAM* const parameters = SSL_get0_param(ssl.get());
    // An address is verified as one and is no server name indication (RFC 6066, section 3).
    if (X509_VERIFY_PARAM_set1_ip_asc(parameters, name.c_str()) != 1) {
        ERR_clear_error();
        X509_VERIFY_PARAM_set1_host(parameters, name.c_str(), name.size());
        // What the macro SSL_set_tlsext_host_name does, without its old-style cast.
        SSL_ctrl(ssl.get(), SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, const_cast<char*>(name.c_str()));
    }
    return ssl;
}

std::string tls_error_text(const ssl_st* ssl) {
    std::string text;
    if (ssl != nullptr) {
        const long verdict = SSL_get_verify_result(ssl);
        if (verdict != X509_V_OK) {
            text = fmt::format("the certificate does not verify: {}", X509_verify_cert_error_string(verdict));
        }
    }
    const unsigned long code = ERR_peek_error();
    if (text.empty() && code != 0) {
        const char* const reason = ERR_reason_error_string(code);
        text = reason != nullptr ? reason : fmt::format("error {:#x}", code);
    }
    ERR_clear_error();
    return text.empty() ? "the peer closed the connection" : text;
}

}  // namespace redoubt::connection
