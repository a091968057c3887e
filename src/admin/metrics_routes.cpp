// admin: /metrics.json; see routes.hpp.
#include <utility>

#include "admin/routes.hpp"

namespace redoubt::admin {

namespace asio = boost::asio;

void add_metrics_routes(Router& router, RedisService& service, std::shared_ptr<const CallMetrics> /*calls*/,
                        std::string /*version*/) {
    router.add({"GET", "/metrics.json", [&service](Request) -> asio::awaitable<Response> {
                    co_return Response::json(200, service.get_metrics());
                }});
}

}  // namespace redoubt::admin
