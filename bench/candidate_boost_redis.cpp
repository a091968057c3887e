// bench: Boost.Redis, coroutines on one loop. A program of its own: it is built against the headers of another Boost
// than the rest (fetch_boost_redis.sh), whose objects must not meet.
#include <boost/asio/consign.hpp>
#include <boost/asio/detached.hpp>
#include <boost/redis/connection.hpp>
#include <boost/redis/src.hpp>

#include "support/coroutines.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
namespace redis = boost::redis;

redis::request make_request(const Workload& workload, std::size_t caller, std::size_t n) {
    redis::request request;
    switch (workload.kind) {
        case Workload::Kind::get: request.push("GET", workload.key(caller, n)); break;
        case Workload::Kind::set: request.push("SET", workload.key(caller, n), workload.value); break;
        case Workload::Kind::pipeline: throw std::invalid_argument("no pipelines here");
        case Workload::Kind::mget: {
            std::vector<std::string_view> keys;
            for (std::size_t i = 0; i < mget_keys; ++i) keys.push_back(workload.key(caller, n + i));
            request.push_range("MGET", keys);
            break;
        }
    }
    return request;
}

asio::awaitable<void> operate(redis::connection& connection, const redis::request& request, const Workload& workload) {
    if (workload.kind == Workload::Kind::mget) {
        redis::response<std::vector<std::optional<std::string>>> reply;
        co_await connection.async_exec(request, reply, asio::use_awaitable);
        if (std::get<0>(reply).value().size() != mget_keys) throw std::runtime_error("a reply of the wrong size");
    } else {
        redis::response<std::optional<std::string>> reply;
        co_await connection.async_exec(request, reply, asio::use_awaitable);
        const std::optional<std::string>& value = std::get<0>(reply).value();
        if (workload.kind == Workload::Kind::get) workload.check(value ? value->size() : 0);
    }
}

void run(const Arguments& arguments) {
    const Workload workload(arguments.text("workload", "get"));
    const bool reused = arguments.text("reuse") == "yes";
    asio::io_context loop(1);
    redis::connection connection(loop);
    redis::config config;
    config.addr = {"127.0.0.1", arguments.text("port")};

    // The request of the README's examples is made for each call; `--reuse yes` makes it once a caller.
    const auto caller = [&](std::size_t index, Tally& tally) -> asio::awaitable<void> {
        const redis::request kept = make_request(workload, index, 0);
        for (std::size_t n = 0; tally.running(); ++n) {
            const Tally::Timing timing = tally.begin();
            if (reused) {
                co_await operate(connection, kept, workload);
            } else {
                const redis::request request = make_request(workload, index, n);
                co_await operate(connection, request, workload);
            }
            tally.end(timing);
        }
    };
    CoroutineRun cell(loop, arguments.count("callers", 1), arguments.number("seconds", 1), caller, [&] {
        connection.cancel();
        loop.stop();
    });
    connection.async_run(config, redis::logger(redis::logger::level::disabled), asio::detached);
    cell.start();
    loop.run();
    cell.finish();
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
