// bench: Redoubt itself: coroutines on the caller's loop, blocking threads, and many projects at once.
#include <malloc.h>

#include <boost/asio/detached.hpp>

#include <redoubt/redoubt.hpp>

#include "support/coroutines.hpp"
#include "support/threads.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;

// `--isolation off`: the unprefixed pool `default`, which only development knows.
redoubt::RedisServiceConfig make_config(const Arguments& arguments) {
    redoubt::RedisServiceConfig config;
    config.url = arguments.text("url");
    if (arguments.text("isolation") == "off") config.environment = redoubt::Environment::development;
    return config;
}
std::string project_of(const Arguments& arguments) {
    return arguments.text("isolation") == "off" ? "default" : "bench";
}

using Keys = std::vector<std::string_view>;
void fill(Keys& keys, const Workload& workload, std::size_t caller, std::size_t n) {
    keys.clear();
    for (std::size_t i = 0; i < mget_keys; ++i) keys.push_back(workload.key(caller, n + i));
}
void check_count(std::size_t count) {
    if (count != mget_keys) throw std::runtime_error("a reply of the wrong size");
}

template <class Batch>
Batch filled(Batch batch, const Workload& workload, std::size_t caller, std::size_t n) {
    for (std::size_t i = 0; i < mget_keys; ++i) batch.get(workload.key(caller, n + i));
    return batch;
}
using Text = std::optional<std::string>;

void run_coroutines(const Arguments& arguments) {
    const Workload workload(arguments.text("workload", "get"));
    asio::io_context loop(1);
    redoubt::RedisService service(loop, make_config(arguments));
    std::optional<redoubt::AsyncProjectRedisClient> redis;

    const auto caller = [&](std::size_t index, Tally& tally) -> asio::awaitable<void> {
        Keys keys;
        for (std::size_t n = 0; tally.running(); ++n) {
            const Tally::Timing timing = tally.begin();
            switch (workload.kind) {
                case Workload::Kind::get: {
                    const std::optional<std::string> value = co_await redis->get(workload.key(index, n));
                    workload.check(value ? value->size() : 0);
                    break;
                }
                case Workload::Kind::set: co_await redis->set(workload.key(index, n), workload.value); break;
                case Workload::Kind::mget:
                    fill(keys, workload, index, n);
                    check_count((co_await redis->mget(keys)).size());
                    break;
                case Workload::Kind::pipeline: {
                    auto batch = filled(redis->batch<Text>(), workload, index, n);
                    check_count((co_await std::move(batch).execute()).size());
                    break;
                }
            }
            tally.end(timing);
        }
    };
    CoroutineRun cell(loop, arguments.count("callers", 1), arguments.number("seconds", 1), caller, [&] {
        service.close();
        loop.stop();
    });
    const auto begin = [&]() -> asio::awaitable<void> {
        co_await service.async_initialize();
        redis.emplace(service.get_connection(project_of(arguments)).async());
        cell.start();
    };
    std::exception_ptr failed;
    asio::co_spawn(loop, begin(), [&](std::exception_ptr error) {
        failed = error;
        if (failed) loop.stop();
    });
    loop.run();
    if (failed) std::rethrow_exception(failed);
    cell.finish();
}

void run_blocking(const Arguments& arguments) {
    const Workload workload(arguments.text("workload", "get"));
    redoubt::RedisService service(make_config(arguments));
    service.initialize();
    redoubt::ProjectIsolatedRedisClient redis = service.get_connection(project_of(arguments));
    run_threads(arguments.count("callers", 1), arguments.number("seconds", 1), [&](std::size_t caller, std::size_t n) {
        switch (workload.kind) {
            case Workload::Kind::get: {
                const std::optional<std::string> value = redis.get(workload.key(caller, n));
                workload.check(value ? value->size() : 0);
                break;
            }
            case Workload::Kind::set: redis.set(workload.key(caller, n), workload.value); break;
            case Workload::Kind::mget: {
                thread_local Keys keys;
                fill(keys, workload, caller, n);
                check_count(redis.mget(keys).size());
                break;
            }
            case Workload::Kind::pipeline:
                check_count(filled(redis.batch<Text>(), workload, caller, n).execute().size());
                break;
        }
    });
    service.close();
}

std::size_t heap_in_use() {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

// Handles of that many projects and one GET in each, all at once.
void run_projects(const Arguments& arguments) {
    const std::size_t projects = arguments.count("callers", 10'000);
    asio::io_context loop(1);
    redoubt::RedisService service(loop, make_config(arguments));
    std::vector<redoubt::ProjectIsolatedRedisClient> handles;
    handles.reserve(projects);
    std::size_t left = projects;
    std::exception_ptr failed;

    const auto one = [&](std::size_t index) -> asio::awaitable<void> {
        handles.push_back(service.get_connection("project-" + std::to_string(index)));
        const redoubt::AsyncProjectRedisClient redis = handles.back().async();
        (void)co_await redis.get("user_data");
    };
    const auto begin = [&]() -> asio::awaitable<void> {
        co_await service.async_initialize();
        for (std::size_t i = 0; i < projects; ++i) {
            asio::co_spawn(loop, one(i), [&](std::exception_ptr error) {
                if (error) failed = error;
                if (--left == 0) loop.stop();
            });
        }
    };
    const std::size_t heap = heap_in_use();
    const auto start = Clock::now();
    asio::co_spawn(loop, begin(), [&](std::exception_ptr error) {
        if (!error) return;
        failed = error;
        loop.stop();
    });
    loop.run();
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    const double used = static_cast<double>(heap_in_use()) - static_cast<double>(heap);
    if (failed) std::rethrow_exception(failed);
    std::printf("{\"seconds\":%.4f,\"megabytes\":%.3f}\n", seconds, used / 1e6);
    service.close();
}

void run(const Arguments& arguments) {
    const std::string mode = arguments.text("mode", "coroutines");
    if (mode == "threads") return run_blocking(arguments);
    if (mode == "projects") return run_projects(arguments);
    run_coroutines(arguments);
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
