// admin: /health and its two probes; see routes.hpp.
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/service/connection_factory.hpp>

#include "admin/problem.hpp"
#include "admin/routes.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

constexpr Duration ready_deadline = std::chrono::seconds(1);

/// Runs one check at a time: whoever asks while one is under way gets its answer.
template <class Answer>
class SingleFlight {
public:
    using Check = std::function<asio::awaitable<Answer>()>;
    SingleFlight(asio::io_context& loop, Check check)
        : check_(std::move(check)), done_(loop, asio::steady_timer::time_point::max()) {}

    asio::awaitable<Answer> get() {
        if (running_) {
            const std::uint64_t mine = round_;
            while (round_ == mine) {
                boost::system::error_code ignored;
                co_await done_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
            }
        } else {
            running_ = true;
            failure_ = nullptr;
            try {
                answer_ = co_await check_();
            } catch (...) {
                failure_ = std::current_exception();
            }
            running_ = false;
            ++round_;
            done_.cancel();
        }
        if (failure_) std::rethrow_exception(failure_);
        co_return *answer_;
    }

private:
    Check check_;
    asio::steady_timer done_;
    std::optional<Answer> answer_;
    std::exception_ptr failure_;
    std::uint64_t round_ = 0;
    bool running_ = false;
};

/// The document where there is no service that could make one.
json::object without_service(std::string_view what) {
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    return {{"status", "unhealthy"},
            {"timestamp", now},
            {"service", "redis"},
            {"test_operations", {{"status", "failed"}, {"failed_step", "connect"}, {"error", what}}}};
}

asio::awaitable<json::object> check_health(RedisService& service, std::shared_ptr<const std::string> down_reason) {
    std::string failure;
    try {
        co_return co_await service.async_health_check();
    } catch (const RedisException& down) {
        failure = down_reason->empty() ? down.what() : *down_reason;
    }
    co_return without_service(failure);
}

/// Nullopt: it is ready.
asio::awaitable<std::optional<Error>> check_ready(RedisService& service) {
    std::optional<Error> failure;
    try {
        const auto client = service.factory()->own_connection().with({.deadline = ready_deadline, .retries = 0U});
        const auto pong = co_await client.async().try_ping()(asio::use_awaitable);
        if (!pong) failure = pong.error();
    } catch (const RedisException& down) {
        failure = down.error();
    }
    co_return failure;
}

bool is_unhealthy(const json::object& health) {
    const json::value* status = health.if_contains("status");
    return status == nullptr || (*status != "healthy" && *status != "degraded");
}

}  // namespace

void add_health_routes(Router& router, asio::io_context& loop, RedisService& service,
                       std::shared_ptr<const std::string> down_reason) {
    const auto health = std::make_shared<SingleFlight<json::object>>(
        loop, [&service, down_reason] { return check_health(service, down_reason); });
    router.add({"GET", "/health", [health](Request) -> asio::awaitable<Response> {
                    const json::object found = co_await health->get();
                    co_return Response::json(is_unhealthy(found) ? 503 : 200, found);
                }});
    router.add({"GET", "/health/live",
                [](Request) -> asio::awaitable<Response> {
                    co_return Response::json(200, {{"status", "alive"}});
                },
                false});
    const auto ready =
        std::make_shared<SingleFlight<std::optional<Error>>>(loop, [&service] { return check_ready(service); });
    // Nothing of the failure is told here: it may name the server, and no token was asked for.
    router.add({"GET", "/health/ready",
                [ready](Request) -> asio::awaitable<Response> {
                    const std::optional<Error> failure = co_await ready->get();
                    if (!failure) co_return Response::json(200, {{"status", "ready"}});
                    co_return Response::json(503, {{"status", "not_ready"}, {"error", word_of(failure->kind)}})
                        .with("Retry-After", "1");
                },
                false});
}

}  // namespace redoubt::admin
