// topology: the nodes of a Cluster that were ever named, by numbers, and which of them serves each slot.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>

#include "pool/identity.hpp"
#include "pool/node.hpp"
#include "pool/prober.hpp"
#include "topology/node_address.hpp"
#include "topology/slot.hpp"

namespace redoubt::topology {

/// Who serves which slot, as numbers: read by every call without a lock, from any thread.
class SlotOwners {
public:
    static constexpr std::uint16_t nobody = 0xffff;
    SlotOwners() {
        for (auto& owner : owners_) owner.store(nobody, std::memory_order_relaxed);
    }
    std::uint16_t of(std::uint16_t slot) const noexcept { return owners_[slot].load(std::memory_order_acquire); }
    void set(std::uint16_t slot, std::uint16_t owner) noexcept {
        if (owners_[slot].load(std::memory_order_relaxed) != owner)
            owners_[slot].store(owner, std::memory_order_release);
    }

private:
    std::array<std::atomic<std::uint16_t>, slot_count> owners_;
};

/// Thread-safe. A node keeps its number, its breaker and its prober as long as this lives, also while it serves nothing.
class ClusterNodes {
public:
    static constexpr std::uint16_t nobody = SlotOwners::nobody;
    /// However strange the answers are.
    static constexpr std::size_t most = 4096;

    struct Events {
        std::function<void()> doubted;  ///< something hints that the map is old; any thread, perhaps often
        std::function<void()> opened;   ///< a breaker has opened; any thread
    };
    /// `identity`: as whom probes log in; null: as the URL says.
    ClusterNodes(const RedisServiceConfig& config, const Target& target, boost::asio::io_context::executor_type lane,
                 std::shared_ptr<Telemetry> telemetry, std::shared_ptr<pool::Identity> identity);
    /// Set once, before the first node is made.
    void set_events(Events events) { events_ = std::move(events); }

    /// The number of the node there, which is made when it is not known. `nobody`: there are too many.
    std::uint16_t number_of(const NodeAddress& address);
    /// Of a number that was given.
    std::shared_ptr<pool::Node> at(std::uint16_t number) const;
    /// One that stands for all until the map is known.
    const std::shared_ptr<pool::Node>& unknown() const noexcept { return unknown_; }

    SlotOwners& owners() noexcept { return owners_; }
    const SlotOwners& owners() const noexcept { return owners_; }
    std::vector<std::shared_ptr<pool::Node>> all() const;
    void stop();
    void stop_dials();

private:
    struct Member {
        NodeAddress address;
        std::shared_ptr<pool::Node> node;
        std::shared_ptr<pool::Prober> prober;
    };

    const RedisServiceConfig config_;
    const Target target_;
    const boost::asio::io_context::executor_type lane_;
    const std::shared_ptr<Telemetry> telemetry_;
    const std::shared_ptr<pool::Identity> identity_;
    Events events_;
    const std::shared_ptr<pool::Node> unknown_;
    SlotOwners owners_;
    mutable std::mutex mutex_;
    std::vector<Member> members_;  // by number
    bool stopped_ = false;
};

}  // namespace redoubt::topology
