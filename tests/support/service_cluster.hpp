// tests: a service on a Cluster of a test's own, and how often its nodes were called.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "support/cluster_group.hpp"

namespace redoubt::testing {

inline std::uint64_t calls_of(RawClient& raw, const std::string& command) { return command_calls(raw)[command]; }

class ServiceClusterTest : public ClusterTest {
protected:
    ProjectIsolatedRedisClient client(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return service_->get_connection("a");
    }
    RedisService& service() { return *service_; }
    std::uint64_t count_everywhere(const std::string& command) {
        std::uint64_t count = 0;
        for (std::size_t i = 0; i != cluster().nodes(); ++i) {
            RawClient at = raw(i);
            count += calls_of(at, command);
        }
        return count;
    }

private:
    std::unique_ptr<RedisService> service_;
};

}  // namespace redoubt::testing
