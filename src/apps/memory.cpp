// apps: `redoubt memory`: the server's memory, or what one project's keys take of it.
#include <chrono>
#include <memory>
#include <string>

#include <fmt/format.h>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/memory_text.hpp"
#include "apps/output.hpp"
#include "apps/progress_bar.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

struct MemoryOptions {
    TargetOptions target;
    std::string project;
    std::string match;
    std::size_t max_keys = MemoryReportOptions().max_keys;
    std::size_t top = MemoryReportOptions().top;
    double seconds = std::chrono::duration<double>(MemoryReportOptions().time).count();
};

void print_text(std::string text) {
    if (text.ends_with('\n')) text.pop_back();
    print_line(text);
}

void run_server(RedisService& service, const MemoryOptions& options) {
    const boost::json::object health = service.health_check();
    const boost::json::value* const failed = health.at("test_operations").as_object().if_contains("error");
    if (!health.at("memory").as_object().contains("usage_bytes") && failed != nullptr) {
        throw std::runtime_error("the server's memory is unknown: " + std::string(failed->as_string()));
    }
    if (!options.target.json) return print_text(server_memory_text(health));
    print_json({{"memory", health.at("memory")}, {"advice", health.at("advice")}}, true);
}

void run_project(RedisService& service, const MemoryOptions& options) {
    MemoryReportOptions how;
    how.match = options.match;
    how.max_keys = options.max_keys;
    how.top = options.top;
    how.time = std::chrono::duration_cast<Duration>(std::chrono::duration<double>(options.seconds));
    MemoryReport report;
    {
        ProgressBar bar;
        report = service.get_connection(options.project).memory_report(how, [&](const MemoryReportProgress& progress) {
            bar.draw(progress.fraction, progress.measuring ? fmt::format("{} of the keys measured", progress.measured)
                                                           : fmt::format("{} keys found", progress.found));
            return true;
        });
    }
    if (!options.target.json) return print_text(project_memory_text(options.project, report, options.top));
    boost::json::object out{{"project", options.project}};
    for (auto& [name, field] : to_json(report)) out[name] = field;
    print_json(out, true);
}

int run_memory(const MemoryOptions& options) {
    ConnectionTarget target(options.target);
    target.config.health_check_interval = Duration::zero();
    RedisService service(target.config);
    service.initialize();
    options.project.empty() ? run_server(service, options) : run_project(service, options);
    service.close();
    return 0;
}

}  // namespace

void add_memory(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<MemoryOptions>();
    CLI::App* command = app.add_subcommand("memory", "Show the server's memory, or what one project's keys take of it");
    CLI::Option* const project =
        command->add_option("--project", options->project, "Measure a sample of this project's keys");
    command->add_option("--match", options->match, "Only keys that match this glob")->needs(project);
    command->add_option("--max-keys", options->max_keys, "Keys to measure at most; more makes the estimate better")
        ->check(CLI::Range(1, 1'000'000))
        ->needs(project)
        ->capture_default_str();
    command->add_option("--seconds", options->seconds, "Time for all of it")
        ->check(CLI::Range(0.001, 86'400.0))
        ->needs(project)
        ->capture_default_str();
    command->add_option("--top", options->top, "Keys and patterns to list")
        ->check(CLI::Range(0, 1'000))
        ->needs(project)
        ->capture_default_str();
    add_target_options(*command, options->target);
    command->callback([options, &invocation] { invocation.run = [options] { return run_memory(*options); }; });
}

}  // namespace redoubt::apps
