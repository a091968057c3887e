// apps: which server a subcommand talks to: --url, --embedded, or what the environment says.
#include "apps/target.hpp"

#include <cstdlib>
#include <string_view>

namespace redoubt::apps {

void add_target_options(CLI::App& command, TargetOptions& options) {
    CLI::Option* url = command.add_option("--url", options.url,
                                          "Server to connect to, instead of REDIS_URL (others can read the "
                                          "arguments of a command: keep a password in REDIS_URL)");
    CLI::Option* embedded =
        command.add_flag("--embedded", options.embedded, "Start a private server for this call, and end it afterwards");
    url->excludes(embedded);
    command.add_flag("--json", options.json, "Print JSON, one value a line");
}

RedisServiceConfig config_with_url(const std::string& url) {
    return RedisServiceConfig::from_env([&url](std::string_view name) -> std::optional<std::string> {
        if (name == "REDIS_URL") return url;
        const char* value = std::getenv(std::string(name).c_str());
        if (value == nullptr) return std::nullopt;
        return value;
    });
}

ConnectionTarget::ConnectionTarget(const TargetOptions& options) {
    if (options.embedded) {
        server.emplace();
        config = config_with_url(server->url());
    } else if (!options.url.empty()) {
        config = config_with_url(options.url);
    } else {
        config = RedisServiceConfig::from_env();
    }
}

}  // namespace redoubt::apps
