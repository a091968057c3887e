// admin: the HTTP endpoint; see the header.
#include "admin/admin_server.hpp"

#include <cstdlib>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/ip/address.hpp>

#include <redoubt/base/exceptions.hpp>

#include "admin/routes.hpp"
#include "base/text_values.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;

[[noreturn]] void refuse(std::string text) {
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

asio::ip::tcp::endpoint checked_address(const AdminOptions& options) {
    boost::system::error_code error;
    const auto address = asio::ip::make_address(options.bind, error);
    if (error) {
        refuse(fmt::format("bind address \"{}\" must be an IPv4 or IPv6 address, such as 127.0.0.1 or ::",
                           base::escaped(options.bind)));
    }
    if (!address.is_loopback() && options.token.empty()) {
        refuse(
            fmt::format("bind address {} can be reached from other machines, so REDOUBT_ADMIN_TOKEN must be set: 16 "
                        "to 512 visible ASCII characters; without it only loopback addresses (127.0.0.1, ::1) are "
                        "allowed",
                        address.to_string()));
    }
    return {address, options.port};
}

}  // namespace

std::string token_from_environment() {
    const char* const value = std::getenv("REDOUBT_ADMIN_TOKEN");
    if (value == nullptr) return {};
    if (const auto wrong = check_token(value)) {
        refuse(fmt::format("REDOUBT_ADMIN_TOKEN {}; unset it to have none", *wrong));
    }
    return value;
}

AdminServer::AdminServer(asio::io_context& loop, RedisService& service, std::shared_ptr<CallMetrics> calls,
                         AdminOptions options)
    : address_(checked_address(options)),
      down_reason_(std::make_shared<std::string>()),
      http_(loop, Access(std::move(options.token)), options.limits) {
    Router& router = http_.routes();
    add_health_routes(router, loop, service, down_reason_);
    add_metrics_routes(router, service, std::move(calls), std::move(options.version));
    add_cache_routes(router, service, options.max_value_bytes);
}

AdminServer::~AdminServer() = default;

void AdminServer::listen() {
    try {
        http_.listen(address_);
    } catch (const boost::system::system_error& failure) {
        refuse(fmt::format("cannot listen on {} port {}: {}", address_.address().to_string(), address_.port(),
                           failure.code().message()));
    }
}

std::string AdminServer::url() const {
    const auto endpoint = http_.endpoint();
    const std::string host = endpoint.address().to_string();
    return endpoint.address().is_v6() ? fmt::format("http://[{}]:{}", host, endpoint.port())
                                      : fmt::format("http://{}:{}", host, endpoint.port());
}

void AdminServer::set_down_reason(std::string reason) { *down_reason_ = std::move(reason); }

}  // namespace redoubt::admin
