// bench: a fixed number of operations, for callgrind to count their instructions, with their allocations; and what rests
// on the heap: wires and projects.
#include <optional>

#include <malloc.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/redoubt.hpp>

#include "support/allocations.hpp"
#include "support/bare_wire.hpp"
#include "support/cell.hpp"
#include "support/otel_sdk.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;

redoubt::RedisServiceConfig make_config(const Arguments& arguments, bool isolated) {
    redoubt::RedisServiceConfig config;
    config.url = arguments.text(arguments.text("mode", "get") == "cluster" ? "cluster" : "url");
    // Time stands still for the client under callgrind: no time-out and no health check may come between.
    config.operation_timeout = std::chrono::minutes(10);
    config.attempt_timeout = std::chrono::minutes(5);
    config.health_check_interval = redoubt::Duration::zero();
    if (!isolated) config.environment = redoubt::Environment::development;
    return config;
}

void print_allocations(std::uint64_t before, std::size_t operations) {
    std::printf("{\"allocations\":%.4f}\n",
                static_cast<double>(allocations() - before) / static_cast<double>(operations));
}

// `callers` coroutines share `operations` calls of `call(key)`; the allocations of the second half are counted.
template <class Call>
class Fixed {
public:
    Fixed(const Arguments& arguments, Call call)
        : operations_(arguments.count("operations", 10'000)),
          callers_(arguments.count("callers", 256)),
          workload_("get"),
          call_(std::move(call)) {}

    template <class End>
    void start(asio::io_context& loop, End end) {
        left_ = callers_;
        for (std::size_t i = 0; i < callers_; ++i) {
            asio::co_spawn(loop, caller(i), [this, end](std::exception_ptr error) {
                if (error) failed_ = error;
                if (--left_ == 0) end();
            });
        }
    }
    void finish() const {
        if (failed_) std::rethrow_exception(failed_);
        std::printf("{\"allocations\":%.4f}\n",
                    static_cast<double>(after_ - before_) / static_cast<double>(operations_ - operations_ / 2));
    }

private:
    asio::awaitable<void> caller(std::size_t index) {
        for (std::size_t n = 0; begun_ < operations_; ++n) {
            if (++begun_ == operations_ / 2) before_ = allocations();
            if (begun_ == operations_) after_ = allocations();
            check(co_await call_(workload_.key(index, n), workload_));
        }
    }

    void check(const std::optional<std::string>& value) const { workload_.check(value ? value->size() : 0); }
    void check(bool stored) const {
        if (!stored) throw std::runtime_error("a value was not stored");
    }

    std::size_t operations_;
    std::size_t callers_;
    Workload workload_;
    Call call_;
    std::size_t begun_ = 0;
    std::size_t left_ = 0;
    std::uint64_t before_ = 0;
    std::uint64_t after_ = 0;
    std::exception_ptr failed_;
};

// Whether OpenTelemetry is told, and of what.
enum class Otel { none, api, traces, all };

void add_otel(redoubt::RedisService& service, Otel otel) {
    if (otel == Otel::none) return;
    if (otel != Otel::api) install_otel_sdk();
    redoubt::OtelOptions options;
    options.metrics = otel != Otel::traces;
    redoubt::add_otel_telemetry(service, options);
}

void run_service(const Arguments& arguments, bool isolated, bool set, Otel otel = Otel::none) {
    asio::io_context loop(1);
    redoubt::RedisService service(loop, make_config(arguments, isolated));
    add_otel(service, otel);
    std::optional<redoubt::AsyncProjectRedisClient> redis;
    // No coroutine of its own between the caller and the call.
    const auto finish = [&](auto& fixed) {
        const auto begin = [&]() -> asio::awaitable<void> {
            co_await service.async_initialize();
            redis.emplace(service.get_connection(isolated ? "bench" : "default").async());
            fixed.start(loop, [&] {
                service.close();
                loop.stop();
            });
        };
        std::exception_ptr failed;
        asio::co_spawn(loop, begin(), [&](std::exception_ptr error) { failed = error; });
        loop.run();
        if (failed) std::rethrow_exception(failed);
        fixed.finish();
    };
    if (set) {
        Fixed fixed(arguments,
                    [&](const std::string& key, const Workload& data) { return redis->set(key, data.value); });
        finish(fixed);
    } else {
        Fixed fixed(arguments, [&](const std::string& key, const Workload&) { return redis->get(key); });
        finish(fixed);
    }
}

void run_bare(const Arguments& arguments) {
    asio::io_context loop(1);
    BareWire wire(loop, static_cast<std::uint16_t>(arguments.count("port", 0)));
    Fixed fixed(arguments, [&](const std::string& key, const Workload&) { return wire.get(key); });
    fixed.start(loop, [&] {
        wire.close();
        loop.stop();
    });
    loop.run();
    fixed.finish();
}

void run_blocking(const Arguments& arguments) {
    const Workload workload("get");
    const std::size_t operations = arguments.count("operations", 10'000);
    redoubt::RedisService service(make_config(arguments, true));
    service.initialize();
    const redoubt::ProjectIsolatedRedisClient redis = service.get_connection("bench");
    std::uint64_t before = 0;
    for (std::size_t n = 0; n < operations; ++n) {
        if (n == operations / 2) before = allocations();
        workload.check(redis.get(workload.key(0, n)).value_or("").size());
    }
    print_allocations(before, operations - operations / 2);
    service.close();
}

double heap_in_use() {
    const struct mallinfo2 info = ::mallinfo2();
    return static_cast<double>(info.uordblks + info.hblkhd);
}

// The differences that `count` projects make, first without wires, then each with one that rests.
void run_heap(const Arguments& arguments, bool blocking) {
    constexpr std::size_t count = 100;
    asio::io_context loop(1);
    redoubt::RedisService service(loop, make_config(arguments, true));
    std::vector<redoubt::ProjectIsolatedRedisClient> handles;
    handles.reserve(count);
    double projects = 0;
    double wires = 0;
    const auto call = [&](const redoubt::ProjectIsolatedRedisClient& redis) -> asio::awaitable<void> {
        if (blocking) {
            (void)redis.get("user_data");
        } else {
            const redoubt::AsyncProjectRedisClient async = redis.async();
            (void)co_await async.get("user_data");
        }
    };
    const auto rest = [&]() -> asio::awaitable<void> {
        asio::steady_timer timer(loop, std::chrono::milliseconds(1500));
        co_await timer.async_wait(asio::use_awaitable);
    };
    const auto all = [&]() -> asio::awaitable<void> {
        co_await service.async_initialize();
        co_await call(service.get_connection("first"));  // what is made once
        co_await rest();
        double before = heap_in_use();
        for (std::size_t i = 0; i < count; ++i)
            handles.push_back(service.get_connection("project-" + std::to_string(i)));
        projects = heap_in_use() - before;
        before = heap_in_use();
        for (const auto& handle : handles) co_await call(handle);
        co_await rest();
        wires = heap_in_use() - before;
    };
    std::exception_ptr failed;
    asio::co_spawn(loop, all(), [&](std::exception_ptr error) {
        failed = error;
        loop.stop();
    });
    loop.run();
    if (failed) std::rethrow_exception(failed);
    std::printf("{\"project\":%.1f,\"wire\":%.1f}\n", projects / count, wires / count);
    service.close();
}

void run(const Arguments& arguments) {
    const std::string mode = arguments.text("mode", "get");
    if (mode == "get" || mode == "cluster") return run_service(arguments, true, false);
    if (mode == "set") return run_service(arguments, true, true);
    if (mode == "otel_api") return run_service(arguments, true, false, Otel::api);
    if (mode == "otel_traces") return run_service(arguments, true, false, Otel::traces);
    if (mode == "otel_sdk") return run_service(arguments, true, false, Otel::all);
    if (mode == "unprefixed") return run_service(arguments, false, false);
    if (mode == "bare") return run_bare(arguments);
    if (mode == "blocking") return run_blocking(arguments);
    if (mode == "heap") return run_heap(arguments, false);
    if (mode == "heap_blocking") return run_heap(arguments, true);
    throw std::invalid_argument("unknown mode: " + mode);
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
