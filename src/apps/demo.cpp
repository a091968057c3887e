// apps: `redoubt demo`: the whole library once, end to end, against a real server, with a figure for each step.
#include "apps/demo.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <memory>
#include <thread>

#include <fmt/format.h>

#include "apps/commands.hpp"
#include "apps/target.hpp"
#include "embedded/raw_connection.hpp"

namespace redoubt::apps {

Duration percentile(std::vector<Duration>& samples, double p) {
    std::sort(samples.begin(), samples.end());
    const auto index = static_cast<std::size_t>(static_cast<double>(samples.size() - 1) * p);
    return samples.at(index);
}

bool eventually(Duration patience, const std::function<bool()>& condition) {
    const TimePoint deadline = Clock::now() + patience;
    while (!condition()) {
        if (Clock::now() >= deadline) return false;
        std::this_thread::sleep_for(200us);
    }
    return true;
}

std::vector<std::string> ask_server(const EmbeddedServer& server, const std::vector<std::string_view>& command) {
    auto connection = embedded::RawConnection::to_unix_socket(server.socket_path(), 5s);
    return embedded::strings_of_frame(connection.exchange(command));
}

bool is_master(const EmbeddedServer& server) {
    return server.server_pid() != 0 && ask_server(server, {"ROLE"}).at(0) == "master";
}

std::vector<EmbeddedServer*> Demo::own_masters() {
    if (server) return {&*server};
    if (group) return {&group->node(group->master())};
    std::vector<EmbeddedServer*> masters;
    for (std::size_t i = 0; cluster && i != cluster->nodes(); ++i) {
        EmbeddedServer& node = cluster->node(i);
        if (is_master(node)) masters.push_back(&node);
    }
    return masters;
}

namespace {

enum class Kind { one_server, sentinel, cluster };

/// Short, so that an outage and the recovery from it can be watched. All of it is public configuration.
void set_demo_times(RedisServiceConfig& config) {
    config.circuit_breaker.recovery_timeout = 1s;
    config.connection_timeout = 2s;
    config.attempt_timeout = 1s;
    config.operation_timeout = 5s;
    config.retry_delay = 50ms;
}

bool start_server(Demo& demo) {
    return demo.report.step("a real server started", [&] {
        const TimePoint begin = Clock::now();
        demo.server.emplace();
        demo.config.url = demo.server->url();
        return StepResult::passed(fmt::format("{} on a private Unix socket in {:.0f} ms", demo.server->version(),
                                              milliseconds(Clock::now() - begin)));
    });
}

bool start_group(Demo& demo) {
    return demo.report.step("a master, replicas and Sentinels started", [&] {
        const TimePoint begin = Clock::now();
        EmbeddedSentinelOptions options;
        options.down_after = 1s;  // less, and a busy machine looks like a dead master
        demo.group.emplace(options);
        demo.config.url = demo.group->url();
        return StepResult::passed(fmt::format("{}, {} replicas and {} Sentinels on private ports in {:.0f} ms",
                                              demo.group->node(0).version(), demo.group->nodes() - 1,
                                              demo.group->sentinels(), milliseconds(Clock::now() - begin)));
    });
}

bool start_cluster(Demo& demo) {
    return demo.report.step("a Cluster started", [&] {
        const TimePoint begin = Clock::now();
        const EmbeddedClusterOptions options;
        demo.cluster.emplace(options);
        demo.config.url = demo.cluster->url();
        return StepResult::passed(fmt::format("{}, {} masters with a replica each on private ports in {:.0f} ms",
                                              demo.cluster->node(0).version(), options.masters,
                                              milliseconds(Clock::now() - begin)));
    });
}

bool start_service(Demo& demo) {
    return demo.report.step("service initialised", [&] {
        const TimePoint begin = Clock::now();
        demo.service.emplace(demo.config);
        demo.service->initialize();
        const Duration elapsed = Clock::now() - begin;
        const CircuitState state = demo.service->circuit_state();
        return StepResult::check(
            state == CircuitState::closed,
            fmt::format("in {:.1f} ms, circuit breaker {}", milliseconds(elapsed), to_string(state)),
            "circuit breaker closed");
    });
}

int run_demo(const TargetOptions& options, Kind kind) {
    DemoReport report(options.json);
    Demo demo{report, {}, {}, {}, {}, {}};
    if (kind != Kind::one_server) {
        set_demo_times(demo.config);
        if (!(kind == Kind::sentinel ? start_group(demo) : start_cluster(demo))) return report.finish() ? 0 : 1;
    } else if (options.url.empty()) {
        set_demo_times(demo.config);
        if (!start_server(demo)) return report.finish() ? 0 : 1;
    } else {
        demo.config = config_with_url(options.url);
        set_demo_times(demo.config);
        demo.alpha = "redoubt-demo-alpha";
        demo.beta = "redoubt-demo-beta";
    }
    // Without a service there is nothing to show.
    if (!start_service(demo)) return report.finish() ? 0 : 1;

    show_isolation(demo);
    show_latency(demo);
    show_throughput(demo);
    show_health(demo);
    show_metrics(demo);
    show_memory(demo);
    if (demo.cluster) {
        show_slots(demo);
        show_node_loss(demo);
    } else {
        demo.group ? show_failover(demo) : show_outage(demo);
    }
    if (!demo.is_own()) clean_up(demo);
    report.step("service closed", [&] {
        const TimePoint begin = Clock::now();
        demo.service->close();
        return StepResult::passed(fmt::format("in {:.1f} ms", milliseconds(Clock::now() - begin)));
    });
    if (demo.cluster) show_colocation(demo);
    return report.finish() ? 0 : 1;
}

}  // namespace

void add_demo(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<TargetOptions>();
    CLI::App* command = app.add_subcommand("demo", "Show the library at work, each step with its measured figure");
    add_target_options(*command, *options);
    const auto sentinel = std::make_shared<bool>(false);
    const auto cluster = std::make_shared<bool>(false);
    CLI::Option* const with_sentinels = command->add_flag(
        "--sentinel", *sentinel,
        "On a master with replicas of its own, watched by Sentinels; the master is killed in the middle");
    CLI::Option* const with_cluster =
        command->add_flag("--cluster", *cluster,
                          "On a Cluster of its own, three masters with a replica each; one is killed in the middle");
    for (CLI::Option* const one : {with_sentinels, with_cluster}) one->excludes("--url")->excludes("--embedded");
    with_cluster->excludes(with_sentinels);
    command->footer("Without --url it starts a server of its own (as with --embedded), whatever REDIS_URL says.");
    command->callback([options, sentinel, cluster, &invocation] {
        const Kind kind = *cluster ? Kind::cluster : *sentinel ? Kind::sentinel : Kind::one_server;
        invocation.run = [options, kind] { return run_demo(*options, kind); };
    });
}

}  // namespace redoubt::apps
