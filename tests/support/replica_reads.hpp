// tests: what tests of reads from replicas have in common, with Sentinels and in a Cluster.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>

#include <redoubt/redoubt.hpp>

#include "support/live_service.hpp"
#include "support/processes.hpp"
#include "support/raw_client.hpp"

namespace redoubt::testing {

inline std::string endpoint_of(EmbeddedServer& server) { return "127.0.0.1:" + std::to_string(server.port()); }

/// Where each call was answered.
class Endpoints final : public Telemetry {
public:
    bool watches_calls() const noexcept override { return true; }
    void call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept override {
        if (call.project_id != "a") return;
        const std::lock_guard lock(mutex_);
        last_ = outcome.endpoint;
    }
    std::string last() {
        const std::lock_guard lock(mutex_);
        return last_;
    }

private:
    std::mutex mutex_;
    std::string last_;
};

/// What both kinds of groups have in common.
template <class Group>
class ReplicaReadsTest : public Group {
protected:
    ProjectIsolatedRedisClient connect(RedisServiceConfig given) {
        service_ = std::make_unique<RedisService>(std::move(given));
        service_->add_telemetry(endpoints_);
        service_->initialize();
        return service_->get_connection("a");
    }
    RedisService& service() { return *service_; }
    Endpoints& endpoints() { return *endpoints_; }
    static std::uint64_t calls(RawClient raw, const std::string& command) { return command_calls(raw)[command]; }
    /// Replicas that may be asked now.
    std::vector<std::string> usable() {
        std::vector<std::string> found;
        for (const ReplicaSnapshot& one : service_->metrics_snapshot().replicas) {
            if (one.within_bound) found.push_back(one.node.endpoint);
        }
        std::sort(found.begin(), found.end());
        return found;
    }
    bool become_usable(std::size_t count) {
        return eventually([&] { return usable().size() == count; });
    }

private:
    std::shared_ptr<Endpoints> endpoints_ = std::make_shared<Endpoints>();
    std::unique_ptr<RedisService> service_;
};

inline boost::asio::awaitable<std::optional<std::string>> read_in_coroutine(AsyncProjectRedisClient redis,
                                                                            std::string key) {
    co_return co_await redis.get(key);
}

}  // namespace redoubt::testing
