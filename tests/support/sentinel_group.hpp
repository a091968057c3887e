// tests: a master with replicas and Sentinels, and the settings of a service that finds it by them.
#pragma once

#include <memory>
#include <string>

#include <redoubt/embedded/embedded_sentinel.hpp>

#include "support/failover_clock.hpp"
#include "support/live_service.hpp"

namespace redoubt::testing {

/// Each test with a group of its own, of redis-server and valkey-server.
class SentinelGroupTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedSentinelOptions options() const {
        EmbeddedSentinelOptions made;
        made.program = GetParam();
        made.down_after = 600ms;
        made.failover_timeout = 1s;
        return made;
    }
    EmbeddedSentinel& start(const EmbeddedSentinelOptions& given) {
        group_ = std::make_unique<EmbeddedSentinel>(given);
        return *group_;
    }
    EmbeddedSentinel& group() { return group_ ? *group_ : start(options()); }
    /// With retries, as they are by default.
    RedisServiceConfig config() {
        RedisServiceConfig made;
        made.url = group().url();
        made.health_check_interval = Duration::zero();
        return made;
    }
    RawClient node(std::size_t index) { return RawClient(group().node(index)); }

private:
    std::unique_ptr<EmbeddedSentinel> group_;
};

}  // namespace redoubt::testing
