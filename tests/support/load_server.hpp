// tests: a server for long runs whose data is compared afterwards.
#pragma once

#include <chrono>
#include <string>
#include <utility>

#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt::testing {

/// `server`: `redis`, `valkey`, or a program. Nothing is ever evicted, which would look like a loss.
inline EmbeddedServer start_load_server(const std::string& server, bool persistent) {
    EmbeddedServerOptions given;
    given.program = server == "redis" || server == "valkey" ? server + "-server" : server;
    given.max_memory = "2gb";
    given.persistent = persistent;
    given.extra_arguments = {"--maxmemory-policy", "noeviction", "--save", ""};
    given.start_timeout = std::chrono::seconds(30);
    return EmbeddedServer(std::move(given));
}

}  // namespace redoubt::testing
