// apps: demo: what calls cost: time of single ones, throughput of many, memory of idle connections.
#include <algorithm>

#include <malloc.h>

#include <fmt/format.h>

#include "apps/demo.hpp"
#include "embedded/questions.hpp"

namespace redoubt::apps {
namespace {

constexpr int samples_wanted = 500;
constexpr std::size_t batch_size = 100;
constexpr std::size_t batches = 1000;
constexpr std::size_t distinct_keys = 5000;  // of batch_size * batches operations
constexpr std::size_t idle_connections = 10;
constexpr double megabyte = 1e6;

template <class Call>
std::vector<Duration> sample(Call call) {
    std::vector<Duration> samples;
    for (int i = 0; i < samples_wanted; ++i) {
        const TimePoint begin = Clock::now();
        call();
        samples.push_back(Clock::now() - begin);
    }
    return samples;
}

/// The original's figure is for the typical call, so the median is held against it.
StepResult median_below(std::vector<Duration> samples, double limit_ms) {
    const double p50 = milliseconds(percentile(samples, 0.50));
    const double p99 = milliseconds(percentile(samples, 0.99));
    return StepResult::check(p50 < limit_ms,
                             fmt::format("p50 {:.3f} ms, p99 {:.3f} ms over {} calls", p50, p99, samples.size()),
                             fmt::format("p50 under {} ms", limit_ms));
}

struct Throughput {
    std::vector<Duration> round_trips;
    std::size_t wrong = 0;
    std::string first_wrong;

    void note_wrong(std::string what) {
        if (wrong++ == 0) first_wrong = std::move(what);
    }
};

void set_batch(ProjectIsolatedRedisClient& redis, const std::vector<std::string>& keys, std::size_t first,
               const std::string& value, Throughput& seen) {
    auto batch = redis.batch<bool>();
    const TimePoint begin = Clock::now();
    for (std::size_t i = 0; i < batch_size; ++i) batch.set(keys[first + i], value);
    const std::vector<result<bool>> answers = std::move(batch).try_execute().value();
    seen.round_trips.push_back(Clock::now() - begin);
    if (answers.size() != batch_size) seen.note_wrong(fmt::format("{} answers to {} SET", answers.size(), batch_size));
    for (const result<bool>& answer : answers) {
        if (!answer.has_value()) {
            seen.note_wrong(answer.error().message());
        } else if (!*answer) {
            seen.note_wrong("SET answered false");
        }
    }
}

void get_batch(ProjectIsolatedRedisClient& redis, const std::vector<std::string>& keys, std::size_t first,
               const std::string& value, Throughput& seen) {
    auto batch = redis.batch<std::optional<std::string>>();
    const TimePoint begin = Clock::now();
    for (std::size_t i = 0; i < batch_size; ++i) batch.get(keys[first + i]);
    const std::vector<result<std::optional<std::string>>> answers = std::move(batch).try_execute().value();
    seen.round_trips.push_back(Clock::now() - begin);
    if (answers.size() != batch_size) seen.note_wrong(fmt::format("{} answers to {} GET", answers.size(), batch_size));
    for (const result<std::optional<std::string>>& answer : answers) {
        if (!answer.has_value()) {
            seen.note_wrong(answer.error().message());
        } else if (*answer != value) {
            seen.note_wrong(fmt::format("GET answered {} in place of {}", answer->value_or("nil"), value));
        }
    }
}

StepResult pipelined(Demo& demo) {
    ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
    const std::vector<std::string> keys = bulk_keys();
    Throughput seen;
    seen.round_trips.reserve(batches);
    const TimePoint begin = Clock::now();
    for (std::size_t i = 0; i < batches; i += 2) {
        // Each SET batch has a value of its own, so that a GET cannot pass with an older one.
        const std::string value = fmt::format("value {}", i);
        const std::size_t first = i / 2 * batch_size % distinct_keys;
        set_batch(redis, keys, first, value, seen);
        get_batch(redis, keys, first, value, seen);
        demo.report.progress(i + 2, batches);
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - begin).count();
    const std::size_t operations = batches * batch_size;
    if (seen.wrong != 0) {
        return StepResult::failed(fmt::format("{} right answers", operations),
                                  fmt::format("{} wrong, the first: {}", seen.wrong, seen.first_wrong));
    }
    return StepResult::passed(fmt::format(
        "{:.0f} operations/s; round trip of a batch of {} (SET, GET in turn): p50 {:.3f} ms, p99 {:.3f} ms",
        static_cast<double>(operations) / seconds, batch_size, milliseconds(percentile(seen.round_trips, 0.50)),
        milliseconds(percentile(seen.round_trips, 0.99))));
}

std::size_t heap_in_use() {
    const struct mallinfo2 info = ::mallinfo2();
    return info.uordblks + info.hblkhd;
}

/// From the server where it is ours, else from the pools' own counters.
std::size_t connections(Demo& demo, RedisService& service) {
    std::size_t count = 0;
    if (demo.is_own()) {
        for (const EmbeddedServer* const server : demo.own_masters()) {
            const std::string info = ask_server(*server, {"INFO", "clients"}).at(0);
            count += std::stoul(embedded::field_of(info, "connected_clients"));
        }
        return count;
    }
    const boost::json::value metrics = service.get_metrics();
    for (const auto& pool : metrics.at("connection_factory").at("pools").as_object()) {
        count += pool.value().at("created_connections").to_number<std::size_t>();
    }
    return count;
}

StepResult idle_memory(Demo& demo) {
    RedisServiceConfig config = demo.config;
    config.min_idle_connections = idle_connections;
    config.health_check_interval = Duration::zero();
    RedisService service(config);
    service.initialize();
    const std::size_t connections_before = connections(demo, service);
    const std::size_t heap_before = heap_in_use();

    ProjectIsolatedRedisClient redis = service.get_connection("redoubt-demo-idle");
    redis.ping();
    std::size_t opened = 0;
    const bool all_open = eventually(3s, [&] {
        const std::size_t now = connections(demo, service);
        opened = now - std::min(now, connections_before);
        return opened >= idle_connections;
    });
    const std::size_t heap_after = heap_in_use();
    service.close();

    if (!all_open) {
        return StepResult::failed(fmt::format("{} connections", idle_connections), fmt::format("{} after 3 s", opened));
    }
    // A sanitizer's allocator does not tell.
    if (heap_before == 0) return StepResult::skipped("the allocator of this build does not count");
    const auto growth = static_cast<double>(heap_after) - static_cast<double>(heap_before);
    return StepResult::check(growth < megabyte,
                             fmt::format("{:.1f} kB of heap for {} connections", growth / 1000, opened), "under 1 MB");
}

}  // namespace

std::vector<std::string> bulk_keys() {
    std::vector<std::string> keys;
    keys.reserve(distinct_keys);
    for (std::size_t i = 0; i < distinct_keys; ++i) keys.push_back(fmt::format("bulk:{}", i));
    return keys;
}

void show_latency(Demo& demo) {
    demo.report.step("PING under 1 ms", [&] {
        ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
        return median_below(sample([&] { redis.ping(); }), 1);
    });
    demo.report.step("SET under 2 ms", [&] {
        ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
        return median_below(sample([&] { redis.set("user_data", "of alpha"); }), 2);
    });
    demo.report.step("GET under 2 ms", [&] {
        ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
        return median_below(sample([&] { redis.get("user_data"); }), 2);
    });
}

void show_throughput(Demo& demo) {
    demo.report.step("100,000 pipelined operations", [&] { return pipelined(demo); });
}

void show_memory(Demo& demo) {
    demo.report.step("10 idle connections under 1 MB", [&] { return idle_memory(demo); });
}

}  // namespace redoubt::apps
