// admin: the HTTP endpoint of a service: its routes on an HttpServer, and who may reach it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>

#include <redoubt/service/service.hpp>

#include "admin/call_metrics.hpp"
#include "admin/http_server.hpp"

namespace redoubt::admin {

struct AdminOptions {
    std::string bind = "127.0.0.1";  ///< an address, not a name; other than loopback only with `token`
    std::uint16_t port = 0;          ///< 0: a free one
    std::string token;               ///< empty: none is asked for; a secret
    HttpLimits limits;
    std::size_t max_value_bytes = 16u << 20;  ///< of a value that the cache routes pass on; past it 413
    std::string version;                      ///< of the program, for `redoubt_build_info`
};

/// `REDOUBT_ADMIN_TOKEN`; empty when it is not set.
/// @throws RedisConfigurationException when it is set and no token (access.hpp)
std::string token_from_environment();

/// `/health`, `/health/live`, `/health/ready`, `/metrics`, `/metrics.json`, `/projects/{project_id}/cache` and
/// `/projects/{project_id}/cache/{key}`. The service may be initialized later: until then 503 says so. The service and the
/// loop must outlive it.
class AdminServer {
public:
    /// @throws RedisConfigurationException when `bind` is no address, or not loopback and there is no token
    AdminServer(boost::asio::io_context& loop, RedisService& service, std::shared_ptr<CallMetrics> calls,
                AdminOptions options);
    ~AdminServer();

    /// For routes of others, before `listen`.
    HttpServer& http() noexcept { return http_; }
    /// @throws RedisConfigurationException naming the address and why it cannot be had
    void listen();
    /// `http://127.0.0.1:8080`
    std::string url() const;
    /// Why the service is not initialized, for `/health`; empty: not known.
    void set_down_reason(std::string reason);
    boost::asio::awaitable<void> drain() { return http_.drain(); }

private:
    boost::asio::ip::tcp::endpoint address_;
    std::shared_ptr<std::string> down_reason_;
    HttpServer http_;
};

}  // namespace redoubt::admin
