// tests: the chaos: many writers, a real server that is killed, stopped and paused, a network that fails, and a ledger that
// says what must be there afterwards. `./dev chaos`.
#include <cstdio>
#include <fstream>
#include <iostream>
#include <memory>
#include <optional>
#include <random>
#include <thread>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <boost/asio/io_context.hpp>

#include <redoubt/redoubt.hpp>

#include "chaos/cluster_schedule.hpp"
#include "chaos/control.hpp"
#include "chaos/crowd.hpp"
#include "chaos/options.hpp"
#include "chaos/report.hpp"
#include "chaos/villain.hpp"
#include "support/fault_gate.hpp"
#include "support/load_server.hpp"
#include "support/losses.hpp"
#include "support/private_network.hpp"

namespace redoubt::chaos {

EmbeddedServer start_server(const Options& options) { return testing::start_load_server(options.server, true); }

RedisServiceConfig short_times(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.health_check_interval = Duration::zero();
    config.connection_timeout = 400ms;
    config.attempt_timeout = 250ms;
    config.operation_timeout = 1500ms;
    config.retry_delay = 2ms;
    config.retry_delay_max = 50ms;
    config.circuit_breaker.recovery_timeout = 50ms;
    config.circuit_breaker.success_threshold = 1;
    return config;
}

namespace {

namespace asio = boost::asio;

constexpr Duration recovery_allowance = 100ms;

testing::FaultPlan network_plan() {
    using testing::Direction;
    using testing::FaultKind;
    return {
        {.kind = FaultKind::delay, .gap_ms = {100, 500}, .milliseconds = {1, 120}, .bytes = {}},
        {.kind = FaultKind::throttle, .gap_ms = {300, 1500}, .milliseconds = {20, 300}, .bytes = {1, 2000}},
        {.kind = FaultKind::split, .gap_ms = {20, 200}, .milliseconds = {}, .bytes = {50, 3000}},
        {.kind = FaultKind::drop, .gap_ms = {200, 1200}, .milliseconds = {}, .bytes = {0, 600}},
        {.kind = FaultKind::half_close,
         .gap_ms = {400, 2000},
         .milliseconds = {1, 500},
         .bytes = {},
         .directions = {Direction::up, Direction::down}},
        {.kind = FaultKind::reset, .gap_ms = {200, 1200}, .milliseconds = {}, .bytes = {0, 600}},
        // Longer than an attempt: what was held back lands when the library has long given it up.
        {.kind = FaultKind::black_hole, .gap_ms = {500, 2500}, .milliseconds = {200, 1500}, .bytes = {}},
    };
}

class Chaos {
public:
    explicit Chaos(const Options& options)
        : options_(options),
          server_(start_server(options)),
          gate_(std::in_place, gate_options()),
          loop_(1),
          direct_(loop_, short_times(server_.url())),
          gated_(loop_, short_times(gate_->url())),
          villain_(server_, direct_, options.seed) {}

    bool run() {
        const TimePoint begin = Clock::now();
        for (RedisService* service : {&direct_, &gated_}) {
            service->set_telemetry(losses_);
            initialize(*service);
        }
        Control control([this] { crowd_.look_for_stuck(); });
        // The services' connections are work of the loop; after close it runs out.
        crowd_.start([this](std::uint32_t caller) { return client_for(caller); },
                     [this] {
                         direct_.close();
                         gated_.close();
                     });
        std::thread villain([&] { be_a_villain(begin); });
        loop_.run();
        villain.join();
        crowd_.join();
        Summary summary = summarise();
        summary.latest_timer = control.latest_timer();
        gate_.reset();
        wait_until_all_has_landed();
        check(summary);
        summary.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        report(summary);
        return summary.deviations == 0 && summary.stuck == 0;
    }

private:
    testing::FaultGateOptions gate_options() const {
        testing::FaultGateOptions given;
        given.server_socket = server_.socket_path();
        given.plan = network_plan();
        given.seed = options_.seed;
        return given;
    }
    // The network fails from the first moment on.
    static void initialize(RedisService& service) {
        for (int attempt = 1;; ++attempt) {
            try {
                return service.initialize();
            } catch (const RedisException&) {
                if (attempt == 50) throw;
            }
        }
    }
    // Half of the callers go through the gate, the others meet the server's faults alone.
    ProjectIsolatedRedisClient client_for(std::uint32_t caller) {
        return (caller % 2 == 0 ? gated_ : direct_).get_connection("chaos");
    }
    void be_a_villain(TimePoint begin) {
        try {
            villain_.run_until(begin + std::chrono::duration_cast<Duration>(
                                           std::chrono::duration<double, std::ratio<60>>(options_.minutes)));
        } catch (...) {
            crowd_.ended_by(std::current_exception());
        }
        gate_->calm();
        progress_.stop();
    }
    // Connections are closed on our side; the server still reads what lies in them.
    void wait_until_all_has_landed() {
        const TimePoint limit = Clock::now() + 30s;
        while (connections_of(server_) != 0) {
            if (Clock::now() > limit) throw std::runtime_error("connections of the library are left at the server");
            std::this_thread::sleep_for(1ms);
        }
    }
    void check(Summary& summary) {
        RedisServiceConfig config = short_times(server_.url());
        config.connection_timeout = config.attempt_timeout = config.operation_timeout = 30s;
        RedisService service(config);
        service.initialize();
        if (options_.sabotage) World::sabotage(service.get_connection("chaos"));
        Failovers none;
        World::Checked checked = world_.check(service.get_connection("chaos"), none);
        for (const std::string& deviation : checked.deviations) progress_.deviation(deviation);
        summary.keys_checked = checked.keys;
        summary.deviations = progress_.deviations();
    }
    Summary summarise() const {
        Summary summary;
        summary.server = server_.version();
        summary.seed = options_.seed;
        summary.coroutines = options_.coroutines;
        summary.threads = options_.threads;
        summary.tally = crowd_.tally();
        for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
            summary.network_faults[i] = gate_->injected(static_cast<testing::FaultKind>(i));
        }
        for (std::size_t i = 0; i < server_fault_kinds; ++i) {
            summary.server_faults[i] = villain_.injected(static_cast<ServerFault>(i));
        }
        summary.wires_lost = losses_->wires;
        summary.breaker_opened = losses_->opened;
        summary.recoveries = villain_.recoveries();
        summary.slow_answers = villain_.slow_answers();
        summary.why_worst = villain_.why_worst();
        summary.recovery_bound = short_times("").circuit_breaker.recovery_timeout + recovery_allowance;
        return summary;
    }
    void report(const Summary& summary) const {
        print(std::cout, summary);
        if (options_.json.empty()) return;
        std::ofstream file(options_.json);
        file << to_json(summary) << '\n';
        if (!file.flush()) throw std::runtime_error("cannot write " + options_.json);
    }

    Options options_;
    EmbeddedServer server_;
    std::optional<testing::FaultGate> gate_;
    asio::io_context loop_;
    std::shared_ptr<testing::Losses> losses_ = std::make_shared<testing::Losses>();
    RedisService direct_;
    RedisService gated_;
    Villain villain_;
    World world_;
    Progress progress_;
    Crowd crowd_{options_, world_, progress_, loop_, short_times("").operation_timeout};
};

void print_schedule(const Options& options) {
    if (options.topology == "cluster") {
        ClusterSchedule schedule(options.seed);
        for (std::uint32_t i = 0; i != options.failovers; ++i) fmt::print("{}\n", to_string(schedule.next()));
        return;
    }
    testing::FaultSchedule network(network_plan(), options.seed);
    const auto end = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.print_schedule));
    for (; network.next().at <= end; network.advance()) fmt::print("{}\n", to_string(network.next()));
    ServerSchedule server(options.seed);
    for (double at = 0; at < options.print_schedule;) {
        const ServerSchedule::Step step = server.next();
        at += (step.gap_ms + step.milliseconds) / 1000.0;
        fmt::print("{}\n", to_string(step));
    }
}

bool run(const Options& options) {
    fmt::print("seed {}\n", options.seed);
    std::fflush(stdout);
    if (options.print_schedule > 0) return print_schedule(options), true;
    if (options.cycles != 0) return run_cycles(options);
    if (options.topology == "sentinel") return run_failovers(options);
    if (options.topology == "cluster") return run_cluster(options);
    return Chaos(options).run();
}

}  // namespace
}  // namespace redoubt::chaos

int main(int count, char** words) {
    redoubt::chaos::Options options;
    options.seed = std::random_device{}() % 1'000'000;
    CLI::App app(
        "Kills, stops and cuts off a server under many writers, and compares what they were told with what is there");
    app.add_option("--minutes", options.minutes, "how long")->check(CLI::Range(0.01, 10'000.0))->capture_default_str();
    app.add_option("--seed", options.seed, "of everything random");
    app.add_option("--server", options.server, "redis, valkey, or a program");
    app.add_option("--coroutines", options.coroutines)->check(CLI::Range(1, 10'000))->capture_default_str();
    app.add_option("--threads", options.threads, "blocking callers beside them")->check(CLI::Range(0, 256));
    app.add_option("--json", options.json, "also write the outcome to this file");
    app.add_flag("--sabotage", options.sabotage, "change what is stored behind everybody's back: it must then fail");
    app.add_option("--print-schedule", options.print_schedule, "only print the faults of so many seconds");
    app.add_option("--cycles", options.cycles,
                   "instead: kill and restart so often under 1,000 callers, and look for growth");
    app.add_option("--topology", options.topology,
                   "sentinel: a master with replicas, and Sentinels who make another one the master; cluster: three "
                   "masters with a replica each")
        ->check(CLI::IsMember({"standalone", "sentinel", "cluster"}))
        ->capture_default_str();
    app.add_option("--failovers", options.failovers,
                   "with Sentinels: how many, however long that takes; of a Cluster: events")
        ->check(CLI::Range(1, 10'000))
        ->capture_default_str();
    CLI11_PARSE(app, count, words);
    // Every lost wire is a line of the library's log, which says nothing here that is not counted.
    spdlog::set_level(spdlog::level::off);
    try {
        if (options.topology != "standalone" && options.print_schedule == 0) {
            options.private_network = redoubt::testing::enter_private_network(words);
        }
        return redoubt::chaos::run(options) ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "redoubt_chaos: " << error.what() << '\n';
        return 1;
    }
}
