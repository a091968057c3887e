// apps: which server a subcommand talks to: --url, --embedded, or what the environment says.
#pragma once

#include <optional>
#include <string>

#include <CLI/CLI.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt::apps {

struct TargetOptions {
    std::string url;
    bool embedded = false;
    bool json = false;
};

/// Adds --url, --embedded and --json.
void add_target_options(CLI::App& command, TargetOptions& options);

/// The environment's settings with its URL replaced by `url`, which may then be anything, even a bad one.
RedisServiceConfig config_with_url(const std::string& url);

/// The settings to connect with, and the server they lead to when it is an own one.
struct ConnectionTarget {
    explicit ConnectionTarget(const TargetOptions& options);
    std::optional<EmbeddedServer> server;
    RedisServiceConfig config;
};

}  // namespace redoubt::apps
