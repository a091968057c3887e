// topology: the replicas that were ever named, by numbers, how fresh each is, and which of them reads may go to.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include <boost/asio/io_context.hpp>

#include <redoubt/base/config.hpp>
#include <redoubt/base/telemetry.hpp>

#include "pool/identity.hpp"
#include "pool/node.hpp"
#include "pool/prober.hpp"
#include "topology/node_address.hpp"
#include "topology/replica_lag.hpp"

namespace redoubt::topology {

/// The smoothed time of an answer, written by one and read by all. Zero: not known.
class AnswerTime {
public:
    Duration get() const noexcept { return Duration(smoothed_.load(std::memory_order_relaxed)); }
    void note(Duration took) noexcept {
        const Duration before = get();
        const Duration now = before == Duration::zero() ? took : before + (took - before) / 4;
        smoothed_.store(std::max(now, Duration(1)).count(), std::memory_order_relaxed);
    }
    void forget() noexcept { smoothed_.store(0, std::memory_order_relaxed); }

private:
    std::atomic<Duration::rep> smoothed_{0};
};

/// One replica: a node of its own, even where it was or becomes a master, since connections to it are opened to read.
struct Replica {
    Replica(NodeAddress where, std::shared_ptr<pool::Node> made) : address(std::move(where)), node(std::move(made)) {}
    TimePoint fresh_as_of() const noexcept { return TimePoint(Duration(fresh.load(std::memory_order_relaxed))); }
    void set_fresh_as_of(TimePoint time) noexcept {
        fresh.store(time.time_since_epoch().count(), std::memory_order_relaxed);
    }

    const NodeAddress address;
    const std::shared_ptr<pool::Node> node;
    std::shared_ptr<pool::Prober> prober;
    std::atomic<Duration::rep> fresh{ReplicaLag::never.time_since_epoch().count()};
    AnswerTime answer_time;
};

/// Thread-safe. Calls read it without a lock; what is made is kept as long as this lives.
class ReplicaSet {
public:
    static constexpr std::uint16_t nobody = 0xffff;
    /// However strange the answers are.
    static constexpr std::size_t most = 4096;
    /// Of one master; reads go to no further ones.
    static constexpr std::size_t most_of_one = 16;

    /// `in_cluster`: replicas answer on connections that say so only. `identity`: as whom probes log in; null: as the URL
    /// says.
    ReplicaSet(const RedisServiceConfig& config, const Target& target, boost::asio::io_context::executor_type lane,
               std::shared_ptr<Telemetry> telemetry, std::shared_ptr<pool::Identity> identity, bool in_cluster);
    ~ReplicaSet();

    /// The number of the replica there, which is made when it is not known. `nobody`: there are too many.
    std::uint16_t number_of(const NodeAddress& address);
    /// Of a number that was given.
    Replica& at(std::uint16_t number) const noexcept { return *replicas_[number].load(std::memory_order_acquire); }

    /// Those of one master, which is known by a number of the caller's.
    void set_followers(std::uint16_t master, const std::vector<std::uint16_t>& replicas);
    AnswerTime& answer_time_of_master(std::uint16_t master);

    /// Where a read is to go.
    struct Choice {
        enum class Kind : std::uint8_t { none, master, replica };
        Kind kind = Kind::none;
        std::uint16_t number = nobody;  ///< of the replica
    };
    /// `avoid`: not to be chosen while there is another one; null: nobody.
    Choice choose(std::uint16_t master, ReadFrom from, const pool::Node& master_node, const pool::Node* avoid,
                  TimePoint now) const noexcept;
    /// Why none was chosen.
    Error refusal(std::uint16_t master, TimePoint now) const;

    struct Figures {
        std::uint16_t master = 0;
        const Replica* replica = nullptr;
    };
    std::vector<Figures> figures() const;
    Duration bound() const noexcept { return bound_; }
    void stop();
    void stop_dials();

private:
    /// Of one master. A reader may see some of an old list and some of a new one: each is a replica that was named, and
    /// what it answers then is right or a redirect.
    struct Followers {
        std::atomic<std::uint32_t> count{0};
        std::array<std::atomic<std::uint16_t>, most_of_one> numbers{};
        AnswerTime of_master;
    };
    Followers& followers(std::uint16_t master);
    const Followers* followers_of(std::uint16_t master) const noexcept {
        return master < most ? followers_[master].load(std::memory_order_acquire) : nullptr;
    }
    bool may_be_asked(const Replica& replica, TimePoint now) const noexcept;
    std::vector<Replica*> all() const;

    const RedisServiceConfig config_;
    const Target target_;
    const boost::asio::io_context::executor_type lane_;
    const std::shared_ptr<Telemetry> telemetry_;
    const std::shared_ptr<pool::Identity> identity_;
    const bool in_cluster_;
    const Duration bound_;
    const std::unique_ptr<std::atomic<Replica*>[]> replicas_;     // by number
    const std::unique_ptr<std::atomic<Followers*>[]> followers_;  // by the number of the master
    mutable std::mutex mutex_;
    std::vector<std::unique_ptr<Replica>> kept_;
    std::vector<std::unique_ptr<Followers>> kept_followers_;
    bool stopped_ = false;
};

}  // namespace redoubt::topology
