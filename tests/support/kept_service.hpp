// tests: a service that a test's fixture keeps, so that its helpers can look at it.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>

#include <gtest/gtest.h>
#include <boost/asio/use_future.hpp>
#include <boost/json.hpp>

#include <redoubt/service/service.hpp>

#include "support/live_service.hpp"

namespace redoubt::testing {

class KeptServiceTest : public LiveServiceTest {
protected:
    /// Little patience with retries, and scripts for all.
    RedisServiceConfig scripting(unsigned retries) {
        RedisServiceConfig given = config();
        given.max_retries = retries;
        given.retry_delay = given.retry_delay_max = std::chrono::milliseconds(1);
        given.environment = Environment::development;
        given.allow_unconfined_scripts = true;
        return given;
    }
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return *service_;
    }
    std::uint64_t failed_calls() {
        const boost::json::object metrics = service_->get_metrics();
        const auto& breaker = metrics.at("connection_factory").at("circuit_breaker").at("metrics");
        return breaker.at("failed_calls").to_number<std::uint64_t>();
    }
    static void expect_works(const ProjectIsolatedRedisClient& redis) {
        EXPECT_TRUE(redis.set("works", "yes"));
        EXPECT_EQ(redis.async().get("works")(boost::asio::use_future).get(), "yes");
    }

    std::unique_ptr<RedisService> service_;
};

}  // namespace redoubt::testing
