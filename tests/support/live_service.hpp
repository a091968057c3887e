// tests: a service on a private real server, and what a test asks of both.
#pragma once

#include <charconv>
#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include <redoubt/redoubt.hpp>

#include "support/raw_client.hpp"
#include "support/servers.hpp"

namespace redoubt::testing {

inline EmbeddedServerOptions options_for(const std::string& program) {
    EmbeddedServerOptions options;
    options.program = program;
    options.start_timeout = 30s;  // the machine may be busy
    return options;
}

/// Without the monitor, whose commands a test would count, and without retries, which would hide a failure.
inline RedisServiceConfig quiet_config(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.health_check_interval = Duration::zero();
    config.max_retries = 0;
    return config;
}

/// What the call throws. @throws std::logic_error when it throws nothing, or nothing of Redoubt's
template <class Call>
Error error_of(Call&& call) {
    try {
        std::forward<Call>(call)();
    } catch (const RedisException& failure) {
        return failure.error();
    } catch (const std::exception& failure) {
        throw std::logic_error(std::string("another exception: ") + failure.what());
    }
    throw std::logic_error("nothing was thrown");
}

inline bool contains(std::string_view text, std::string_view part) { return text.find(part) != std::string_view::npos; }

/// Waits until so many replicas have all that this server has been told to write until now. WAIT is about what its own
/// connection has written, so this writes, too; in a Cluster `key` must belong to the server.
inline bool replicas_have_it(RawClient& raw, int replicas, const std::string& key = "_replicated") {
    if (raw.command({"SET", key, "x"}) != "+OK\r\n") return false;
    const std::string count = std::to_string(replicas);
    return raw.command({"WAIT", count, "20000"}) == ":" + count + "\r\n";
}
inline bool replicas_have_it(RawClient&& raw, int replicas) { return replicas_have_it(raw, replicas); }

/// How often the server executed each command, but INFO, which asks.
inline std::map<std::string, std::uint64_t> command_calls(RawClient& raw) {
    const std::string text = raw.command({"INFO", "commandstats"});
    constexpr std::string_view head = "cmdstat_";
    constexpr std::string_view calls = ":calls=";
    std::map<std::string, std::uint64_t> counts;
    for (std::size_t at = text.find(head); at != std::string::npos; at = text.find(head, at + 1)) {
        const std::size_t colon = text.find(calls, at);
        std::uint64_t count = 0;
        const char* const number = text.data() + colon + calls.size();
        std::from_chars(number, text.data() + text.size(), count);
        counts[text.substr(at + head.size(), colon - at - head.size())] = count;
    }
    counts.erase("info");
    return counts;
}

inline std::string short_name(const std::string& program) { return program.substr(0, program.find('-')); }

/// Each test with a server of its own, redis-server and valkey-server.
class LiveServiceTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedServer& server() {
        if (!server_) server_ = std::make_unique<EmbeddedServer>(options_for(GetParam()));
        return *server_;
    }
    /// Before `server()`, which else starts one with `options_for`.
    EmbeddedServer& start_server(const EmbeddedServerOptions& options) {
        raw_.reset();
        server_ = std::make_unique<EmbeddedServer>(options);
        return *server_;
    }
    RawClient& raw() {
        if (!raw_) raw_ = std::make_unique<RawClient>(server());
        return *raw_;
    }
    RedisServiceConfig config() { return quiet_config(server().url()); }

private:
    std::unique_ptr<EmbeddedServer> server_;
    std::unique_ptr<RawClient> raw_;
};

}  // namespace redoubt::testing

/// For both servers.
#define REDOUBT_BOTH_SERVERS(suite)                                                                        \
    INSTANTIATE_TEST_SUITE_P(BothServers, suite, ::testing::ValuesIn(redoubt::testing::server_programs()), \
                             [](const auto& parameter) { return redoubt::testing::short_name(parameter.param); })
