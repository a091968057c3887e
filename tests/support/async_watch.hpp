// tests: what the tests of WATCH for async callers share.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>

#include <redoubt/service/service.hpp>

#include "support/live_service.hpp"
#include "support/processes.hpp"

namespace redoubt::testing {

template <class Operation>
auto wait(Operation&& operation) {
    return std::forward<Operation>(operation)(boost::asio::use_future).get();
}

inline int metric(const RedisService& service, std::string_view name, std::string_view pool = "alpha") {
    return service.get_metrics().at("connection_factory").at("pools").at(pool).at(name).to_number<int>();
}

/// The parameter is a server's program and a protocol.
class AsyncWatchTest : public LiveServiceTest {
protected:
    void SetUp() override { start_server(options_for(GetParam().substr(0, GetParam().find('/')))); }
    RedisServiceConfig config() {
        auto settings = LiveServiceTest::config();
        settings.protocol = GetParam().ends_with('2') ? Protocol::resp2 : Protocol::resp3;
        return settings;
    }
    /// One connection can be leased.
    RedisServiceConfig narrow() {
        auto settings = config();
        settings.limits_of_project = [](std::string_view) { return ProjectLimits{.max_connections = 3}; };
        return settings;
    }
    int server_connections() { return std::stoi(raw().info("connected_clients")); }
    static bool none_leased(const RedisService& service) {
        return eventually([&] { return metric(service, "leased_connections") == 0; });
    }
    /// The wires that are there do not watch what they should not.
    static void expect_clean_leases(const ProjectIsolatedRedisClient& redis) {
        redis.set("k", "changed by another");
        for (int i = 0; i != 3; ++i) {
            EXPECT_TRUE(wait(redis.async().transaction(wait(redis.async().watch("other"))).incr("clean").execute()));
        }
        EXPECT_TRUE(redis.transaction().watch("other").incr("clean").execute());
    }
};

#define REDOUBT_ASYNC_WATCH(suite)                                                                                   \
    INSTANTIATE_TEST_SUITE_P(                                                                                        \
        BothServers, suite,                                                                                          \
        ::testing::Values("redis-server/resp2", "redis-server/resp3", "valkey-server/resp2", "valkey-server/resp3"), \
        [](const auto& parameter) {                                                                                  \
            return redoubt::testing::short_name(parameter.param) +                                                   \
                   parameter.param.substr(parameter.param.find('/') + 1);                                            \
        })

}  // namespace redoubt::testing
