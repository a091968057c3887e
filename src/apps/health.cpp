// apps: `redoubt health`: the JSON of health_check().
#include <algorithm>
#include <chrono>
#include <memory>
#include <string>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

boost::json::object unreachable(const RedisException& down) {
    const double now = std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count();
    return {{"status", "unhealthy"},
            {"timestamp", now},
            {"service", "redis"},
            {"problems", {std::string("connect failed: ") + down.what()}},
            {"factory", {{"status", "unhealthy"}}},
            {"test_operations", {{"status", "failed"}, {"failed_step", "connect"}, {"error", down.what()}}},
            {"memory", {{"status", "unknown"}}}};
}

int run_health(const TargetOptions& options) {
    ConnectionTarget target(options);
    // Whoever waits for an answer about a server that hangs has it as soon as from health_check().
    target.config.operation_timeout = std::min(target.config.operation_timeout, HealthOptions().deadline);
    RedisService service(target.config);
    try {
        service.initialize();
    } catch (const RedisException& down) {
        // Whoever asks for health wants an answer above all when there is nothing to connect to.
        print_json(unreachable(down), options.json);
        throw;
    }
    const boost::json::object health = service.health_check();
    print_json(health, options.json);
    service.close();
    // For scripts and probes: what is degraded still serves.
    const boost::json::value* status = health.if_contains("status");
    const bool serves = status != nullptr && (*status == "healthy" || *status == "degraded");
    return serves ? 0 : 1;
}

}  // namespace

void add_health(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<TargetOptions>();
    CLI::App* command = app.add_subcommand("health", "Check the server and print the result; exit 1 when unhealthy");
    add_target_options(*command, *options);
    command->callback([options, &invocation] { invocation.run = [options] { return run_health(*options); }; });
}

}  // namespace redoubt::apps
