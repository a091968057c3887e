// apps: the subcommands of `redoubt`, one file each. Each adds itself to the parser and says what runs.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace redoubt::apps {

/// What the command line asks for: filled by the parser, run afterwards, so that errors of usage and of the
/// run are told apart.
struct Invocation {
    std::vector<std::string> words;  ///< everything after `--`, untouched by the parser
    bool has_separator = false;
    std::function<int()> run;  ///< returns the exit status; failures are exceptions
};

void add_exec(CLI::App& app, Invocation& invocation);
void add_health(CLI::App& app, Invocation& invocation);
void add_memory(CLI::App& app, Invocation& invocation);
void add_metrics(CLI::App& app, Invocation& invocation);
void add_demo(CLI::App& app, Invocation& invocation);
void add_keys(CLI::App& app, Invocation& invocation);
void add_project(CLI::App& app, Invocation& invocation);
void add_serve(CLI::App& app, Invocation& invocation);

}  // namespace redoubt::apps
