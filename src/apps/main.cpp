// apps: the `redoubt` command: reads the command line, runs one subcommand, turns failures into exit statuses.
#include <algorithm>
#include <csignal>
#include <exception>
#include <string>
#include <vector>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"

namespace {

constexpr int failure_status = 1;
constexpr int usage_status = 2;

}  // namespace

int main(int argc, char** argv) {
    using namespace redoubt::apps;
    std::signal(SIGPIPE, SIG_IGN);  // a closed output or connection is an error of the write
    spdlog::set_default_logger(spdlog::stderr_logger_mt("redoubt"));

    CLI::App app{"Redis and Valkey for many projects, safely.", "redoubt"};
    app.set_version_flag("--version", "redoubt " REDOUBT_VERSION);
    app.require_subcommand(1);
    std::string log_level = "off";
    app.add_option("--log", log_level, "What the library logs on standard error")
        ->check(CLI::IsMember({"trace", "debug", "info", "warn", "error", "critical", "off"}))
        ->capture_default_str();

    Invocation invocation;
    add_demo(app, invocation);
    add_exec(app, invocation);
    add_health(app, invocation);
    add_keys(app, invocation);
    add_memory(app, invocation);
    add_metrics(app, invocation);
    add_project(app, invocation);
    add_serve(app, invocation);

    // The words of a Redis command are not the parser's: it would read `[1,2]` as two and `-1` as an option.
    std::vector<std::string> arguments(argv + std::min(argc, 1), argv + argc);
    const auto separator = std::find(arguments.begin(), arguments.end(), "--");
    if (separator != arguments.end()) {
        invocation.has_separator = true;
        invocation.words.assign(separator + 1, arguments.end());
        arguments.erase(separator, arguments.end());
    }
    std::reverse(arguments.begin(), arguments.end());  // the parser wants them so
    try {
        app.parse(arguments);
    } catch (const CLI::ParseError& error) {
        return app.exit(error) == 0 ? 0 : usage_status;
    }
    if (invocation.has_separator && !app.got_subcommand("exec")) {
        print_error("redoubt: only exec takes words after --");
        return usage_status;
    }
    spdlog::set_level(spdlog::level::from_str(log_level));

    try {
        return invocation.run();
    } catch (const UsageError& error) {
        print_error(std::string("redoubt: ") + error.what());
        return usage_status;
    } catch (const std::exception& error) {
        print_error(describe(error));
        return failure_status;
    }
}
