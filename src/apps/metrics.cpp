// apps: `redoubt metrics`: the JSON of get_metrics().
#include <memory>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

int run_metrics(const TargetOptions& options) {
    ConnectionTarget target(options);
    RedisService service(target.config);
    service.initialize();
    print_json(service.get_metrics(), options.json);
    service.close();
    return 0;
}

}  // namespace

void add_metrics(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<TargetOptions>();
    CLI::App* command = app.add_subcommand("metrics", "Print the metrics of a service that has just connected");
    add_target_options(*command, *options);
    command->callback([options, &invocation] { invocation.run = [options] { return run_metrics(*options); }; });
}

}  // namespace redoubt::apps
