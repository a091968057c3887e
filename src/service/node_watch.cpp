// service: health: a node watched; see the header.
#include "service/node_watch.hpp"

#include <utility>

namespace redoubt::service {

std::optional<double> EvictionRate::observe(std::int64_t evicted, std::string_view run_id, TimePoint now) {
    if (!since_ || run_id != run_id_ || evicted < evicted_) {
        run_id_ = run_id;
        since_ = now;
        evicted_ = evicted;
        rate_.reset();
        return rate_;
    }
    const std::chrono::duration<double> elapsed = now - *since_;
    if (elapsed.count() < 1) return rate_;
    rate_ = static_cast<double>(evicted - evicted_) / elapsed.count();
    since_ = now;
    evicted_ = evicted;
    return rate_;
}

std::size_t ExpectedReplicas::observe(std::size_t good, TimePoint now) noexcept {
    if (good >= expected_ || now - met_ >= remembered) {
        expected_ = good;
        met_ = now;
    }
    return expected_;
}

NodeWatch::Seen NodeWatch::observe(NodeSample sample, TimePoint now) {
    Seen seen;
    NodeReading& reading = seen.reading;
    reading.memory = read_memory(sample.info);
    reading.replication = read_replication(sample.info);
    if (reading.memory.known) {
        if (reading.memory.max_bytes > 0) seen.memory_change = alarm_.observe(reading.memory.usage_fraction);
        reading.memory.level = alarm_.level();
        reading.memory.evicted_per_second =
            evictions_.observe(reading.memory.evicted_keys, info_field(sample.info, "run_id"), now);
    }
    if (reading.replication.known) {
        // A replica has none of its own to miss; should it be promoted, it begins anew.
        if (reading.replication.is_replica) {
            replicas_ = {};
        } else {
            reading.replication.expected = replicas_.observe(reading.replication.good, now);
        }
    }
    reading.sample = std::move(sample);
    return seen;
}

}  // namespace redoubt::service
