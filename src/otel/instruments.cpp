// otel: the instruments of one meter; see the header.
#include "otel/instruments.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <optional>
#include <utility>

#include <opentelemetry/context/context.h>

#include "otel/names.hpp"
#include "service/metrics_snapshot.hpp"

namespace redoubt::otel {
namespace {

namespace metrics = api::metrics;

constexpr std::string_view other_operation = "_OTHER";

double seconds(Duration duration) noexcept { return std::chrono::duration<double>(duration).count(); }

const api::common::KeyValueIterable& iterable(const Attributes& attributes) noexcept { return attributes; }

// This thread is inside a callback of the SDK's, which may hold a mutex that `RemoveCallback` wants.
thread_local bool is_observing = false;

// What one figure of a snapshot is told with.
class Sink {
public:
    explicit Sink(const metrics::ObserverResult& result) noexcept : result_(result) {}
    void tell(double value, const Attributes& attributes) const noexcept {
        if (const auto* const whole = api::nostd::get_if<Of<std::int64_t>>(&result_)) {
            (*whole)->Observe(static_cast<std::int64_t>(value), iterable(attributes));
        } else if (const auto* const real = api::nostd::get_if<Of<double>>(&result_)) {
            (*real)->Observe(value, iterable(attributes));
        }
    }

private:
    template <class Number>
    using Of = api::nostd::shared_ptr<metrics::ObserverResultT<Number>>;
    const metrics::ObserverResult& result_;
};

// A snapshot, and its pools under their labels.
struct Bounded {
    MetricsSnapshot snapshot;
    std::vector<PoolSnapshot> pools;
};

using Tell = void (*)(const Bounded&, const Sink&);

template <class Value>
void tell_pools(const Bounded& all, const Sink& sink, Value value) {
    for (const PoolSnapshot& pool : all.pools) {
        Attributes attributes;
        attributes.add(attribute::pool, std::string_view(pool.name));
        sink.tell(static_cast<double>(value(pool)), attributes);
    }
}

void tell_count(const Bounded& all, const Sink& sink) {
    for (const PoolSnapshot& pool : all.pools) {
        for (const auto& [state, count] :
             {std::pair(std::string_view("idle"), pool.available), std::pair(std::string_view("used"), pool.used())}) {
            Attributes attributes;
            attributes.add(attribute::pool, std::string_view(pool.name));
            attributes.add(attribute::state, state);
            sink.tell(static_cast<double>(count), attributes);
        }
    }
}

// 1 for the state in which it is, 0 for the others, so that sums and alerts need no numbers for states.
template <class Value>
void tell_states(const Bounded& all, const Sink& sink, Value value) {
    for (const NodeSnapshot& node : all.snapshot.nodes) {
        for (std::size_t i = 0; i != circuit_states; ++i) {
            const auto state = static_cast<CircuitState>(i);
            Attributes attributes;
            add_server(attributes, node.endpoint);
            attributes.add(attribute::breaker_state, to_string(state));
            sink.tell(static_cast<double>(value(node, state)), attributes);
        }
    }
}

template <class Value>
void tell_memory(const Bounded& all, const Sink& sink, Value value) {
    if (!all.snapshot.memory) return;
    Attributes attributes;
    add_server(attributes, all.snapshot.endpoint);
    sink.tell(static_cast<double>(value(*all.snapshot.memory)), attributes);
}

// A value that is not known is not told.
template <class Value>
void tell_replicas(const Bounded& all, const Sink& sink, Value value) {
    for (const ReplicaSnapshot& replica : all.snapshot.replicas) {
        const std::optional<double> known = value(replica);
        if (!known) continue;
        Attributes attributes;
        add_server(attributes, replica.node.endpoint);
        attributes.add(attribute::master, std::string_view(replica.master));
        sink.tell(*known, attributes);
    }
}

template <class Value>
void tell_members(const Bounded& all, const Sink& sink, Value value) {
    if (!all.snapshot.cluster) return;
    for (const ClusterSnapshot::Member& member : all.snapshot.cluster->members) {
        Attributes attributes;
        add_server(attributes, member.endpoint);
        attributes.add(attribute::role, std::string_view(member.master ? "master" : "replica"));
        sink.tell(static_cast<double>(value(member)), attributes);
    }
}

std::optional<double> known_seconds(const std::optional<Duration>& duration) noexcept {
    if (!duration) return std::nullopt;
    return seconds(*duration);
}

enum class Kind : std::uint8_t { counter, up_down, gauge, real };

struct Row {
    const char* name;
    const char* description;
    const char* unit;
    Kind kind;
    Tell tell;
};

using Pool = const PoolSnapshot&;
using Node = const NodeSnapshot&;
using Memory = const MemorySnapshot&;
using Replica = const ReplicaSnapshot&;
using Member = const ClusterSnapshot::Member&;

constexpr std::array rows{
    Row{metric::connection_count, "Connections that are open, by state", "{connection}", Kind::up_down, tell_count},
    Row{metric::connection_idle_max, "Most connections that may be idle", "{connection}", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.max; }); }},
    Row{metric::connection_idle_min, "Connections that are kept open", "{connection}", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.min_idle; }); }},
    Row{metric::connection_max, "Most connections that may be open", "{connection}", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.max; }); }},
    Row{metric::connection_pending, "Calls that wait for a connection, or for room on one", "{request}", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.waiting; }); }},
    Row{metric::connection_timeouts, "Calls that found no connection and no room in time", "{timeout}", Kind::counter,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.exhausted; }); }},
    Row{metric::retries, "Attempts after a call's first", "{attempt}", Kind::counter,
        [](const Bounded& all, const Sink& sink) { tell_pools(all, sink, [](Pool pool) { return pool.retries; }); }},
    Row{metric::breaker_state, "1 for the state in which a node's circuit breaker is, else 0", "1", Kind::gauge,
        [](const Bounded& all, const Sink& sink) {
            tell_states(all, sink, [](Node node, CircuitState state) { return node.state == state ? 1 : 0; });
        }},
    Row{metric::breaker_transitions, "How often a node's circuit breaker entered a state", "{transition}",
        Kind::counter,
        [](const Bounded& all, const Sink& sink) {
            tell_states(all, sink, [](Node node, CircuitState state) { return node.transitions_to(state); });
        }},
    Row{metric::refusals, "Commands, ids and scripts that isolation refused, in the whole process", "{refusal}",
        Kind::counter,
        [](const Bounded& all, const Sink& sink) {
            sink.tell(static_cast<double>(all.snapshot.isolation_refusals), Attributes());
        }},
    Row{metric::memory_usage, "Memory that the server uses", "By", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_memory(all, sink, [](Memory m) { return m.usage_bytes; }); }},
    Row{metric::memory_limit, "Memory that the server may use", "By", Kind::up_down,
        [](const Bounded& all, const Sink& sink) { tell_memory(all, sink, [](Memory m) { return m.max_bytes; }); }},
    Row{metric::memory_utilization, "Share of its memory that the server uses", "1", Kind::real,
        [](const Bounded& all, const Sink& sink) {
            tell_memory(all, sink, [](Memory m) { return m.usage_fraction; });
        }},
    Row{metric::replica_lag, "A replica has all that its master had so long ago", "s", Kind::real,
        [](const Bounded& all, const Sink& sink) {
            tell_replicas(all, sink, [](Replica replica) { return known_seconds(replica.lag); });
        }},
    Row{metric::replica_answer_time, "How long a replica takes to answer, smoothed", "s", Kind::real,
        [](const Bounded& all, const Sink& sink) {
            tell_replicas(all, sink, [](Replica replica) { return known_seconds(replica.answer_time); });
        }},
    Row{metric::replica_within_bound, "1 while a replica's lag lets it be read from, else 0", "1", Kind::gauge,
        [](const Bounded& all, const Sink& sink) {
            tell_replicas(all, sink, [](Replica replica) { return std::optional(replica.within_bound ? 1.0 : 0.0); });
        }},
    Row{metric::cluster_slots, "Slots that a Cluster's node serves; a replica serves none", "{slot}", Kind::gauge,
        [](const Bounded& all, const Sink& sink) {
            tell_members(all, sink, [](Member member) { return member.slots; });
        }},
    Row{metric::cluster_online, "1 while a Cluster's node is online in the eyes of the others, else 0", "1",
        Kind::gauge,
        [](const Bounded& all, const Sink& sink) {
            tell_members(all, sink, [](Member member) { return member.online ? 1 : 0; });
        }},
    Row{metric::cluster_uncovered, "Slots of a Cluster that no master serves", "{slot}", Kind::gauge,
        [](const Bounded& all, const Sink& sink) {
            if (all.snapshot.cluster) sink.tell(all.snapshot.cluster->uncovered_slots(), Attributes());
        }},
};

api::nostd::shared_ptr<metrics::ObservableInstrument> make(metrics::Meter& meter, const Row& row) {
    switch (row.kind) {
        case Kind::counter: return meter.CreateInt64ObservableCounter(row.name, row.description, row.unit);
        case Kind::up_down: return meter.CreateInt64ObservableUpDownCounter(row.name, row.description, row.unit);
        case Kind::gauge: return meter.CreateInt64ObservableGauge(row.name, row.description, row.unit);
        case Kind::real: break;
    }
    return meter.CreateDoubleObservableGauge(row.name, row.description, row.unit);
}

}  // namespace

// One snapshot serves all the instruments of a collection, which come one after another.
class Instruments::Figures {
public:
    Figures(std::function<MetricsSnapshot()> source, std::shared_ptr<base::BoundedLabels> labels)
        : source_(std::move(source)), labels_(std::move(labels)) {}

    std::shared_ptr<const Bounded> get() {
        const std::lock_guard lock(mutex_);
        const TimePoint now = Clock::now();
        if (!last_ || now >= stale_at_) {
            auto fresh = std::make_shared<Bounded>();
            fresh->snapshot = source_();
            fresh->pools = service::pools_by_label(fresh->snapshot, *labels_);
            last_ = std::move(fresh);
            stale_at_ = now + keeps_for;
        }
        return last_;
    }

private:
    static constexpr auto keeps_for = std::chrono::milliseconds(20);
    const std::function<MetricsSnapshot()> source_;
    const std::shared_ptr<base::BoundedLabels> labels_;
    std::mutex mutex_;
    std::shared_ptr<const Bounded> last_;
    TimePoint stale_at_{};
};

struct Instruments::Observed {
    std::shared_ptr<Figures> figures;
    const Row& row;
    api::nostd::shared_ptr<metrics::ObservableInstrument> instrument;

    static void callback(metrics::ObserverResult result, void* state) {
        // What it holds may be the last of its kind, and take this very object with it.
        const auto figures = static_cast<Observed*>(state)->figures;
        const Row& row = static_cast<Observed*>(state)->row;
        is_observing = true;
        try {
            if (const auto all = figures->get(); all->snapshot.initialized) row.tell(*all, Sink(result));
        } catch (const std::exception&) {
            // A forked child, or no memory: nothing is told this time. The SDK's thread has nobody to tell it to.
        }
        is_observing = false;
    }
};

Instruments::Instruments(const api::nostd::shared_ptr<metrics::Meter>& meter, const OtelOptions& options,
                         std::shared_ptr<base::BoundedLabels> labels)
    : labels_(std::move(labels)),
      duration_(meter->CreateDoubleHistogram(metric::operation_duration, "Duration of calls", "s")),
      create_time_(
          meter->CreateDoubleHistogram(metric::connection_create_time, "How long opening a connection took", "s")),
      wait_time_(meter->CreateDoubleHistogram(metric::connection_wait_time,
                                              "How long a call waited for a connection of its own", "s")),
      use_time_(meter->CreateDoubleHistogram(metric::connection_use_time, "How long a call had a connection of its own",
                                             "s")) {
    if (!options.source) return;
    figures_ = std::make_shared<Figures>(options.source, labels_);
    observe_figures(*meter);
}

void Instruments::observe_figures(metrics::Meter& meter) {
    for (const Row& row : rows) {
        auto& one = observed_.emplace_back(new Observed{figures_, row, make(meter, row)});
        one->instrument->AddCallback(&Observed::callback, one.get());
    }
}

Instruments::~Instruments() { stop_observing(); }

void Instruments::stop_observing() noexcept {
    const std::lock_guard lock(mutex_);
    for (auto& one : observed_) {
        if (is_observing) {
            // From inside a callback nothing can be taken back: that little is left to the SDK.
            (void)one.release();
        } else {
            one->instrument->RemoveCallback(&Observed::callback, one.get());
        }
    }
    observed_.clear();
}

void Instruments::call_ended(const CallInfo& call, const CallOutcome& outcome) noexcept {
    const std::string name = operation_name(call);
    const std::string database = std::to_string(call.database);
    Attributes attributes;
    attributes.add(attribute::system, std::string_view("redis"));
    attributes.add(attribute::operation, name.empty() ? other_operation : std::string_view(name));
    attributes.add(attribute::database, std::string_view(database));
    add_server(attributes, outcome.endpoint.empty() ? call.endpoint : outcome.endpoint);
    if (!call.project_id.empty()) attributes.add(attribute::project, labels_->label_of(call.project_id));
    if (const Error* const error = outcome.error != nullptr ? outcome.error : outcome.reply_error) {
        attributes.add(attribute::error_type, error_type(*error));
        const std::string_view code = status_code(*error);
        if (!code.empty()) attributes.add(attribute::status_code, code);
    }
    duration_->Record(seconds(outcome.duration), iterable(attributes), api::context::Context());
}

void Instruments::record(Histogram& histogram, std::string_view pool, Duration time) noexcept {
    Attributes attributes;
    attributes.add(attribute::pool, labels_->label_of(pool));
    histogram.Record(seconds(time), iterable(attributes), api::context::Context());
}

}  // namespace redoubt::otel
