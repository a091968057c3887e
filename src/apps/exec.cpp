// apps: `redoubt exec`: commands of one project, given as arguments or line by line.
#include <iostream>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <fmt/format.h>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/otel_sdk.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"
#include "apps/tokenizer.hpp"

namespace redoubt::apps {
namespace {

struct ExecOptions {
    TargetOptions target;
    std::string project;
    bool from_stdin = false;
};

void execute(ProjectIsolatedRedisClient& redis, const std::vector<std::string>& words, bool json) {
    const std::vector<std::string_view> views(words.begin(), words.end());
    const Value answer = redis.command(std::span<const std::string_view>(views));
    print_line(json ? to_json_text(answer) : to_cli_text(answer));
}

/// One command a line. A command that fails is told with its line number, and the next one runs; a line that
/// cannot be read ends it, because what was meant is unknown.
int execute_lines(ProjectIsolatedRedisClient& redis, bool json) {
    int status = 0;
    std::size_t number = 0;
    for (std::string line; std::getline(std::cin, line);) {
        ++number;
        const auto tokens = tokenize(line);
        if (const auto* error = std::get_if<TokenizeError>(&tokens)) {
            throw UsageError(fmt::format("line {}, column {}: {}", number, error->column, error->message));
        }
        const auto& words = std::get<std::vector<std::string>>(tokens);
        if (words.empty()) continue;
        try {
            execute(redis, words, json);
        } catch (const RedisException& failure) {
            print_error(fmt::format("{} (line {})", describe(failure), number));
            status = 1;
        }
    }
    if (std::cin.bad()) throw std::runtime_error("cannot read standard input");
    return status;
}

int run_exec(const ExecOptions& options, const std::vector<std::string>& words) {
    ConnectionTarget target(options.target);
    const OtelSdk otel;
    RedisService service(target.config);
    otel.watch(service);
    service.initialize();
    ProjectIsolatedRedisClient redis = service.get_connection(options.project);
    int status = 0;
    if (options.from_stdin) {
        status = execute_lines(redis, options.target.json);
    } else {
        execute(redis, words, options.target.json);
    }
    service.close();
    return status;
}

}  // namespace

void add_exec(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<ExecOptions>();
    CLI::App* command = app.add_subcommand("exec", "Run a command as one project sees it");
    command->footer(
        "redoubt exec --project ID [OPTIONS] -- COMMAND [ARGUMENT...]\n"
        "redoubt exec --project ID [OPTIONS] --stdin < COMMANDS");
    command->add_option("--project", options->project, "The project whose keys it sees")->required();
    add_target_options(*command, options->target);
    command->add_flag("--stdin", options->from_stdin, "Read one command a line, quoted as in redis-cli");
    command->callback([options, &invocation] {
        if (options->from_stdin && !invocation.words.empty()) {
            throw CLI::ValidationError("--stdin", "takes no command after --");
        }
        if (!options->from_stdin && invocation.words.empty()) {
            throw CLI::ValidationError("COMMAND", "is missing: redoubt exec --project ID -- COMMAND [ARGUMENT...]");
        }
        invocation.run = [options, &invocation] { return run_exec(*options, invocation.words); };
    });
}

}  // namespace redoubt::apps
