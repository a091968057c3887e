// apps: `redoubt health`: the JSON of health_check().
#include <memory>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

int run_health(const TargetOptions& options) {
    ConnectionTarget target(options);
    RedisService service(target.config);
    service.initialize();
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
