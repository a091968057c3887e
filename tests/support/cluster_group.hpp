// tests: a Cluster of three masters and three replicas, kept for all tests of a suite and server, and what tests ask of it.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include <redoubt/embedded/embedded_cluster.hpp>

#include "support/live_service.hpp"
#include "support/raw_client.hpp"
#include "topology/slot.hpp"

namespace redoubt::testing {

/// A key of this form, `k0`, `k1`..., whose slot `wanted` takes, behind the prefix.
template <class Wanted>
std::string key_where(const std::string& prefix, Wanted&& wanted, std::size_t begin = 0) {
    for (std::size_t i = begin;; ++i) {
        std::string key = "k" + std::to_string(i);
        if (wanted(topology::slot_of(prefix + key))) return key;
    }
}

/// Each test with a Cluster of its own.
class ClusterTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedCluster& cluster() {
        if (!cluster_) start({});
        return *cluster_;
    }
    void start(EmbeddedClusterOptions options) {
        options.program = GetParam();
        options.start_timeout = 60s;  // the machine may be busy
        cluster_ = std::make_unique<EmbeddedCluster>(options);
    }
    RedisServiceConfig config() { return quiet_config(cluster().url()); }
    RawClient raw(std::size_t index) { return RawClient(cluster().node(index)); }
    /// A key whose slot this node serves.
    std::string key_at(std::size_t index, std::size_t begin = 0) {
        return key_where(
            "proj:a:", [&](std::uint16_t slot) { return cluster().owner_of(slot) == index; }, begin);
    }
    static std::uint16_t slot_of(const std::string& key) { return topology::slot_of("proj:a:" + key); }

private:
    std::unique_ptr<EmbeddedCluster> cluster_;
};

}  // namespace redoubt::testing
