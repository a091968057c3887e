// service: how the service reaches a server: TLS that verifies or says why not, IPv6, and a name with several
// addresses, against both real servers.
#include <redoubt/service/service.hpp>

#include <memory>
#include <string>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/certificates.hpp"
#include "support/live_service.hpp"

namespace redoubt {
namespace {

using testing::Certificates;
using testing::contains;
using testing::error_of;
using testing::options_for;
using testing::quiet_config;

bool localhost_is_ipv6_too() {
    addrinfo* found = nullptr;
    addrinfo wanted{};
    wanted.ai_family = AF_INET6;
    if (::getaddrinfo("localhost", nullptr, &wanted, &found) != 0) return false;
    ::freeaddrinfo(found);
    return true;
}

bool machine_has_ipv6_loopback() {
    const int socket = ::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in6 address{};
    address.sin6_family = AF_INET6;
    address.sin6_addr = in6addr_loopback;
    void* const any = &address;
    const bool has = socket >= 0 && ::bind(socket, static_cast<sockaddr*>(any), sizeof address) == 0;
    if (socket >= 0) ::close(socket);
    return has;
}

class Transport : public testing::LiveServiceTest {
protected:
    EmbeddedServer& start_tls(const std::string& auth_clients) {
        EmbeddedServerOptions options = options_for(GetParam());
        options.tls = true;
        options.tls_cert_file = certificates().server_cert();
        options.tls_key_file = certificates().server_key();
        options.tls_ca_file = certificates().ca();
        options.extra_arguments = {"--tls-auth-clients", auth_clients};
        return start_server(options);
    }
    RedisServiceConfig tls_config() {
        RedisServiceConfig config = quiet_config(server().tls_url());
        config.tls.ca = certificates().ca();
        return config;
    }
    void expect_works(const RedisServiceConfig& config) {
        RedisService service(config);
        service.initialize();
        const auto redis = service.get_connection("alpha");
        const std::string large(3 << 20, 'x');  // many TLS records
        EXPECT_TRUE(redis.set("k", large));
        EXPECT_EQ(redis.get("k"), large);
        EXPECT_EQ(redis.async().get("k")(boost::asio::use_future).get(), large);
        EXPECT_TRUE(redis.transaction().watch("k").incr("n").execute());
        EXPECT_EQ(service.health_check().at("status").as_string(), "healthy");
    }
    Error expect_refused(const RedisServiceConfig& config) {
        RedisService service(config);
        Error error = error_of([&] { service.initialize(); });
        EXPECT_EQ(error.kind, ErrorKind::connection) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), std::to_string(server().tls_port()))) << error.message();
        return error;
    }
    static const Certificates& certificates() {
        static const Certificates made;
        return made;
    }
};

TEST_P(Transport, TlsWithAnAuthorityThatIsTrusted) {
    start_tls("optional");
    expect_works(tls_config());
    RedisServiceConfig by_name = tls_config();
    by_name.url = "rediss://localhost:" + std::to_string(server().tls_port()) + "?protocol=2";
    expect_works(by_name);
    RedisServiceConfig named = tls_config();
    named.tls.server_name = "localhost";
    expect_works(named);
}

TEST_P(Transport, TlsThatDoesNotVerifySaysSo) {
    start_tls("optional");
    RedisServiceConfig unknown = tls_config();
    unknown.tls.ca = certificates().other_ca();
    EXPECT_TRUE(contains(expect_refused(unknown).message(), "does not verify"));
    RedisServiceConfig system = tls_config();
    system.tls.ca.clear();
    EXPECT_TRUE(contains(expect_refused(system).message(), "does not verify"));
    RedisServiceConfig other_name = tls_config();
    other_name.tls.server_name = "redis.example.com";
    const Error mismatch = expect_refused(other_name);
    EXPECT_TRUE(contains(mismatch.message(), "does not verify")) << mismatch.message();
    EXPECT_TRUE(contains(mismatch.message(), "mismatch")) << mismatch.message();
    // Off is explicit, and for development alone.
    unknown.tls.verify = false;
    EXPECT_THROW(RedisService{unknown}, RedisConfigurationException);
    unknown.environment = Environment::development;
    expect_works(unknown);
}

TEST_P(Transport, TlsWithAClientCertificate) {
    start_tls("yes");
    const Error none = expect_refused(tls_config());
    EXPECT_TRUE(contains(none.message(), "certificate")) << none.message();
    RedisServiceConfig shown = tls_config();
    shown.tls.cert = certificates().client_cert();
    shown.tls.key = certificates().client_key();
    expect_works(shown);
}

TEST_P(Transport, TlsFilesThatCannotBeUsedAreNamed) {
    start_tls("optional");
    RedisServiceConfig missing = tls_config();
    missing.tls.ca = "/no/such/ca.pem";
    RedisServiceConfig no_certificate = tls_config();
    no_certificate.tls.cert = certificates().client_key();
    no_certificate.tls.key = certificates().client_key();
    RedisServiceConfig other_key = tls_config();
    other_key.tls.cert = certificates().client_cert();
    other_key.tls.key = certificates().server_key();
    for (const auto& [config, field] :
         {std::pair{missing, "tls_ca"}, std::pair{no_certificate, "tls_cert"}, std::pair{other_key, "tls_key"}}) {
        const Error error = error_of([&given = config] {
            RedisService service(given);
            service.initialize();
        });
        EXPECT_EQ(error.kind, ErrorKind::configuration) << error.message();
        EXPECT_TRUE(contains(error.message(), field)) << error.message();
    }
}

TEST_P(Transport, TlsAndPlainPortsAreNotConfused) {
    start_tls("optional");
    const Error plain = expect_refused(quiet_config("redis://127.0.0.1:" + std::to_string(server().tls_port())));
    EXPECT_FALSE(plain.message().empty());
    EmbeddedServerOptions options = options_for(GetParam());
    options.tcp = true;
    EmbeddedServer other(options);
    // A plain server waits for the end of what it takes for a line.
    RedisServiceConfig hasty = quiet_config("rediss://127.0.0.1:" + std::to_string(other.port()));
    hasty.connection_timeout = 200ms;
    RedisService service(hasty);
    const Error error = error_of([&] { service.initialize(); });
    EXPECT_EQ(error.kind, ErrorKind::timeout) << error.message();
    EXPECT_TRUE(contains(error.message(), "the TLS handshake")) << error.message();
}

TEST_P(Transport, TcpAndLocalhostWhereOnlyIpv4Listens) {
    EmbeddedServerOptions options = options_for(GetParam());
    options.tcp = true;
    start_server(options);
    expect_works(quiet_config(server().tcp_url()));
    expect_works(quiet_config("redis://localhost:" + std::to_string(server().port())));
}

TEST_P(Transport, Ipv6) {
    EmbeddedServerOptions options = options_for(GetParam());
    options.tcp = true;
    const bool has_ipv6 = machine_has_ipv6_loopback();
    if (has_ipv6) options.extra_arguments = {"--bind", "::1"};
    start_server(options);
    const std::string port = std::to_string(server().port());
    const RedisServiceConfig config = quiet_config("redis://[::1]:" + port);
    if (has_ipv6) {
        expect_works(config);
        if (localhost_is_ipv6_too()) expect_works(quiet_config("redis://localhost:" + port));
        // The other family is refused there, and named as such.
        const Error error = error_of([&] {
            RedisService service(quiet_config("redis://127.0.0.1:" + port));
            service.initialize();
        });
        EXPECT_TRUE(contains(error.message(), "127.0.0.1:" + port)) << error.message();
    } else {
        const Error error = error_of([&] {
            RedisService service(config);
            service.initialize();
        });
        EXPECT_TRUE(contains(error.message(), "[::1]:" + port)) << error.message();
    }
}

REDOUBT_BOTH_SERVERS(Transport);

}  // namespace
}  // namespace redoubt
