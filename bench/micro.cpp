// bench: micro-benchmarks of the pure parts: scanner and reader, encoder, command table, breaker, ledger.
#include <benchmark/benchmark.h>

#include <optional>
#include <string>
#include <vector>

#include <redoubt/redoubt.hpp>

#include "pool/ledger.hpp"
#include "resp/scanner.hpp"

namespace {

using redoubt::resp::ReplyScanner;

std::string bulk_reply(std::size_t size) {
    std::string reply = "$";
    reply.append(std::to_string(size)).append("\r\n").append(size, 'v').append("\r\n");
    return reply;
}

// One reply found and read, as of GET.
void scan_and_read_bulk(benchmark::State& state) {
    const std::string reply = bulk_reply(static_cast<std::size_t>(state.range(0)));
    const redoubt::KeyPrefix prefix("proj:bench:");
    ReplyScanner scanner{redoubt::ReplyLimits{}};
    for (auto _ : state) {
        if (scanner.scan(reply) != ReplyScanner::Status::complete) state.SkipWithError("not complete");
        redoubt::ReplyCursor cursor(std::string_view(reply).substr(0, scanner.size()));
        std::optional<std::string> value;
        if (!redoubt::read_reply(cursor, prefix, value)) state.SkipWithError("not read");
        benchmark::DoNotOptimize(value);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reply.size()));
}
BENCHMARK(scan_and_read_bulk)->Arg(8)->Arg(64)->Arg(4096);

// As of MGET.
void scan_and_read_array(benchmark::State& state) {
    std::string reply = "*100\r\n";
    for (int i = 0; i < 100; ++i) reply += bulk_reply(64);
    const redoubt::KeyPrefix prefix("proj:bench:");
    ReplyScanner scanner{redoubt::ReplyLimits{}};
    for (auto _ : state) {
        if (scanner.scan(reply) != ReplyScanner::Status::complete) state.SkipWithError("not complete");
        redoubt::ReplyCursor cursor(std::string_view(reply).substr(0, scanner.size()));
        std::vector<std::optional<std::string>> values;
        if (!redoubt::read_reply(cursor, prefix, values)) state.SkipWithError("not read");
        benchmark::DoNotOptimize(values);
    }
    state.SetBytesProcessed(state.iterations() * static_cast<std::int64_t>(reply.size()));
}
BENCHMARK(scan_and_read_array);

void encode_get(benchmark::State& state) {
    const redoubt::KeyPrefix prefix(state.range(0) == 0 ? "" : "proj:bench:");
    const std::string key = "key:000000000001";
    std::vector<char> out(256);
    for (auto _ : state) {
        const auto command = redoubt::cmd::get(key);
        if (redoubt::encoded_bound(command, prefix) > out.size()) state.SkipWithError("too long");
        benchmark::DoNotOptimize(redoubt::encode(command, prefix, out.data()));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_get)->Arg(0)->Arg(1);

void encode_set(benchmark::State& state) {
    const redoubt::KeyPrefix prefix("proj:bench:");
    const std::string key = "key:000000000001";
    const std::string value(64, 'v');
    std::vector<char> out(256);
    for (auto _ : state) {
        const auto command = redoubt::cmd::set(key, value);
        if (redoubt::encoded_bound(command, prefix) > out.size()) state.SkipWithError("too long");
        benchmark::DoNotOptimize(redoubt::encode(command, prefix, out.data()));
        benchmark::ClobberMemory();
    }
}
BENCHMARK(encode_set);

void gather_get(benchmark::State& state) {
    const redoubt::KeyPrefix prefix("proj:bench:");
    const std::string key = "key:000000000001";
    for (auto _ : state) {
        redoubt::EncodedCommands commands;
        commands.append(redoubt::cmd::get(key), prefix);
        benchmark::DoNotOptimize(commands.bytes());
    }
}
BENCHMARK(gather_get);

void find_command(benchmark::State& state) {
    const std::vector<std::string> names{"get", "SET", "ZRANGEBYSCORE", "hset", "nosuchcommand"};
    std::size_t at = 0;
    for (auto _ : state) {
        benchmark::DoNotOptimize(redoubt::find_command(names[at]));
        if (++at == names.size()) at = 0;
    }
}
BENCHMARK(find_command);

// CLOSED, consecutive mode: what every call pays that is recorded.
void breaker(benchmark::State& state) {
    static redoubt::RedisCircuitBreaker shared(redoubt::CircuitBreakerConfig{}, redoubt::Clock::now());
    const redoubt::TimePoint now = redoubt::Clock::now();
    for (auto _ : state) {
        const auto admission = shared.admit(now);
        benchmark::DoNotOptimize(admission);
        benchmark::DoNotOptimize(shared.record_success(admission, now));
    }
}
BENCHMARK(breaker)->Threads(1)->Threads(2);

// The same as an everyday success, which is only counted.
void breaker_everyday(benchmark::State& state) {
    static redoubt::RedisCircuitBreaker shared(redoubt::CircuitBreakerConfig{}, redoubt::Clock::now());
    const redoubt::TimePoint now = redoubt::Clock::now();
    for (auto _ : state) {
        const auto admission = shared.admit_if_closed(now);
        benchmark::DoNotOptimize(shared.count_success(admission.generation));
    }
}
BENCHMARK(breaker_everyday)->Threads(1)->Threads(2);

// CLOSED, with a sliding window: what every call pays there. 0: by number, 1: by time.
void breaker_with_window(benchmark::State& state) {
    const auto made = [](redoubt::Duration time) {
        redoubt::CircuitBreakerConfig config;
        config.failure_rate_threshold = 0.5;
        config.slow_call_rate_threshold = 0.5;
        config.window_time = time;
        return config;
    };
    static redoubt::RedisCircuitBreaker by_number(made({}), redoubt::Clock::now());
    static redoubt::RedisCircuitBreaker by_time(made(std::chrono::seconds(10)), redoubt::Clock::now());
    redoubt::RedisCircuitBreaker& shared = state.range(0) == 0 ? by_number : by_time;
    for (auto _ : state) {
        const redoubt::TimePoint now = redoubt::Clock::now();
        const auto admission = shared.admit(now);
        benchmark::DoNotOptimize(shared.count_success(admission.generation));
        benchmark::DoNotOptimize(shared.record_success(admission, now, std::chrono::milliseconds(1)));
    }
}
BENCHMARK(breaker_with_window)->Arg(0)->Arg(1)->Threads(1)->Threads(2);

void ledger(benchmark::State& state) {
    redoubt::pool::Ledger accounts(10, 100);
    for (auto _ : state) {
        if (accounts.request() == redoubt::pool::Ledger::Grant::open) accounts.opened();
        accounts.returned();
        benchmark::DoNotOptimize(accounts.next());
    }
}
BENCHMARK(ledger);

}  // namespace

BENCHMARK_MAIN();
