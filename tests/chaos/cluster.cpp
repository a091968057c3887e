// tests: the chaos on a Cluster: masters are killed, hang, are cut off from the others or asked to step down, and slots
// move, under many writers. What callers were told is compared with what the masters have in the end; what failovers
// themselves lose is counted apart. `./dev chaos --topology cluster`.
#include <algorithm>
#include <array>
#include <chrono>
#include <fstream>
#include <future>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>

#include "chaos/cluster_report.hpp"
#include "chaos/cluster_schedule.hpp"
#include "chaos/control.hpp"
#include "chaos/crowd.hpp"
#include "chaos/options.hpp"
#include "chaos/report.hpp"
#include "embedded/questions.hpp"
#include "support/cluster_clock.hpp"
#include "support/losses.hpp"
#include "support/private_network.hpp"
#include "support/random.hpp"

namespace redoubt::chaos {
namespace {

namespace asio = boost::asio;
using testing::Slots;

constexpr Duration patience = 90s;
constexpr Duration node_timeout = 1s;
// How far a replica may be behind its master on a busy machine. What was acknowledged longer ago must be there.
constexpr Duration unreplicated = 1s;
// Before each event, so that most of what is written can be lost by none.
constexpr Duration undisturbed = 2s;
// How long after a server has sent an answer its caller may read it, on a busy machine.
constexpr Duration under_way = 300ms;
constexpr Duration most_without_service = 1s;

EmbeddedClusterOptions cluster_of(const Options& options) {
    EmbeddedClusterOptions given;
    given.program =
        options.server == "redis" || options.server == "valkey" ? options.server + "-server" : options.server;
    given.node_timeout = node_timeout;
    given.start_timeout = patience;
    // Nothing is ever evicted, which would look like a loss.
    given.extra_configuration = "maxmemory 2gb\nmaxmemory-policy noeviction\n";
    return given;
}

/// At default settings, but without the monitor.
RedisServiceConfig default_times(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.health_check_interval = Duration::zero();
    return config;
}

class ClusterChaos {
public:
    explicit ClusterChaos(const Options& options)
        : options_(options), cluster_(cluster_of(options)), loop_(1), work_(loop_.get_executor()) {
        if (options.private_network) cut_off_.emplace(cluster_);
        clock_.emplace(cluster_);
        service_.emplace(loop_, default_times(cluster_.url()));
        progress_.expect_cluster();
        service_->set_telemetry(losses_);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~ClusterChaos() {
        progress_.stop();
        if (!thread_.joinable()) return;
        loop_.stop();
        thread_.join();
    }
    ClusterChaos(const ClusterChaos&) = delete;
    ClusterChaos& operator=(const ClusterChaos&) = delete;

    bool run() {
        const TimePoint begin = Clock::now();
        service_->initialize();
        Control control([this] { crowd_.look_for_stuck(); });
        crowd_.start([this](std::uint32_t /*caller*/) { return service_->get_connection("chaos"); },
                     [this] {
                         service_->close();
                         work_.reset();
                     });
        be_a_villain();
        progress_.stop();
        thread_.join();
        crowd_.join();
        summary_.latest_timer = control.latest_timer();
        wait_until_all_has_landed();
        add_unasked();
        check();
        summary_.seconds = std::chrono::duration<double>(Clock::now() - begin).count();
        report();
        return progress_.deviations() == 0 && summary_.errors.others_meanwhile == 0 && summary_.errors.otherwise == 0 &&
               worst(without_service(outages_)) < most_without_service;
    }

private:
    void be_a_villain() {
        try {
            for (std::uint32_t i = 0; i != options_.failovers; ++i) {
                cluster_.wait_until_whole(patience);
                std::this_thread::sleep_for(undisturbed);
                ClusterSchedule::Step step = schedule_.next();
                if (step.fault == ClusterFault::cut_off && !cut_off_) step.fault = ClusterFault::hang;
                perform(step);
                ++summary_.faults[static_cast<std::size_t>(step.fault)];
            }
            cluster_.wait_until_whole(patience);
        } catch (...) {
            crowd_.ended_by(std::current_exception());
        }
    }

    /// Node `i` and node `i + 3` have one shard, and take turns.
    std::size_t mate_of(std::size_t node) const { return (node + cluster_.nodes() / 2) % cluster_.nodes(); }
    std::string ask_node(std::size_t node, std::initializer_list<std::string_view> words) {
        return embedded::ask_one({cluster_.node(node).socket_path(), {}}, words);
    }
    std::size_t master_of(std::uint32_t shard) {
        const bool first = embedded::field_of(ask_node(shard, {"INFO", "replication"}), "role") == "master";
        return first ? shard : mate_of(shard);
    }

    void perform(const ClusterSchedule::Step& step) {
        const std::array masters{master_of(0), master_of(1), master_of(2)};
        if (step.fault == ClusterFault::move) return move(masters[step.shard], masters[step.other], step.slots);
        std::future<void> beside;
        if (step.slots != 0) {
            const std::size_t to = masters[3 - step.shard - step.other];
            beside = std::async(std::launch::async,
                                [this, from = masters[step.other], to, &step] { move(from, to, step.slots); });
        }
        fail_over(step, masters[step.shard]);
        if (beside.valid()) beside.get();
    }

    /// Of those whose keys are in use, and of their neighbours.
    void move(std::size_t from, std::size_t to, std::uint32_t count) {
        const Slots own = testing::own_slots(ask_node(from, {"CLUSTER", "NODES"}));
        std::vector<std::uint32_t> used;
        for (const std::string& key : world_.keys()) {
            if (own.test(slot_of_key(key))) used.push_back(slot_of_key(key));
        }
        Slots chosen;
        while (chosen.count() < count && chosen.count() < own.count()) {
            const bool busy = !used.empty() && moves_.one_in(2);
            std::uint32_t slot = busy ? used[moves_.below(static_cast<std::uint32_t>(used.size()))]
                                      : moves_.below(EmbeddedCluster::all_slots);
            while (!own.test(slot) || chosen.test(slot)) slot = (slot + 1) % EmbeddedCluster::all_slots;
            chosen.set(slot);
        }
        for (std::uint32_t slot = 0; slot != EmbeddedCluster::all_slots; ++slot) {
            if (!chosen.test(slot)) continue;
            cluster_.move_slots(slot, 1, from, to);
            ++summary_.slots_moved;
        }
    }

    void fail_over(const ClusterSchedule::Step& step, std::size_t old) {
        const std::size_t heir = mate_of(old);
        const Slots own = testing::own_slots(ask_node(old, {"CLUSTER", "NODES"}));
        std::string key = "recovery";
        for (int i = 0; !own.test(slot_of_key(key)); ++i) key = "recovery:" + std::to_string(i);
        ClusterOutage outage;
        outage.fault = step.fault;
        outage.began = Clock::now();
        switch (step.fault) {
            case ClusterFault::kill: cluster_.node(old).kill(); break;
            case ClusterFault::hang: cluster_.node(old).pause(); break;
            case ClusterFault::request: (void)ask_node(heir, {"CLUSTER", "FAILOVER"}); break;
            case ClusterFault::cut_off: cut_off_->cut(old); break;
            case ClusterFault::move: break;
        }
        std::future<TimePoint> silent;  // when a master that is cut off refuses calls
        if (step.fault == ClusterFault::cut_off) silent = std::async(std::launch::async, [&] { return refuses(old); });
        outage.served = served_again(key, heir, outage.began);
        const testing::ClusterClock::Change change = clock_->wait_for(heir, true, outage.began);
        outage.promoted = change.at;
        outage.slots = change.slots;
        outage.ended = change.at;
        if (silent.valid()) outage.ended = std::max(outage.ended, silent.get() + under_way);
        if (step.fault != ClusterFault::request) {
            std::this_thread::sleep_for(std::chrono::milliseconds(step.milliseconds));
        }
        const TimePoint back = Clock::now();
        switch (step.fault) {
            case ClusterFault::kill: cluster_.node(old).restart(); break;
            case ClusterFault::hang: cluster_.node(old).resume(); break;
            case ClusterFault::cut_off: cut_off_->heal(); break;
            default: break;
        }
        if (step.fault == ClusterFault::hang) outage.back = back;
        outage.demoted = clock_->wait_for(old, false, outage.began).at;
        not_before_.push_back(change.not_before);
        outages_.push_back(outage);
    }

    TimePoint refuses(std::size_t node) {
        embedded::wait_until("end of the service of a master that is cut off", patience, [&]() -> std::string {
            const bool ok = embedded::field_of(ask_node(node, {"CLUSTER", "INFO"}), "cluster_state") == "ok";
            return ok ? "it believes that all is well" : "";
        });
        return Clock::now();
    }

    /// When blocking and async callers have both written something by a call that began after the replica was promoted.
    TimePoint served_again(const std::string& key, std::size_t heir, TimePoint since) {
        // Each call as a new caller's: one that waits for a master that hangs has an attempt's time.
        auto redis = service_->get_connection("chaos").with({.deadline = 100ms, .retries = 0});
        const TimePoint limit = Clock::now() + patience;
        const auto until_written = [&, limit](auto write) {
            for (;;) {
                const auto change = clock_->change(heir, true, since);
                if (write() && change) return Clock::now();
                if (Clock::now() > limit) throw std::runtime_error("the library does not find the new master");
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
        };
        auto async = std::async(std::launch::async, [&] {
            return until_written([&] { return redis.async().try_set(key, "v")(asio::use_future).get().has_value(); });
        });
        const TimePoint blocking = until_written([&] { return redis.try_set(key, "v").has_value(); });
        return std::max(blocking, async.get());
    }

    // Connections are closed on our side; the servers still read what lies in them.
    void wait_until_all_has_landed() {
        for (std::size_t i = 0; i != cluster_.nodes(); ++i) {
            embedded::wait_until("end of the library's connections", 30s, [&]() -> std::string {
                const std::string list = ask_node(i, {"CLIENT", "LIST"});
                return list.find("name=redoubt") == std::string::npos ? "" : list;
            });
        }
    }

    /// Another master, though nothing was done to the one before: on a busy machine one may not answer in time.
    void add_unasked() {
        for (const auto& change : clock_->changes()) {
            if (!change.master) continue;
            const bool known = std::any_of(outages_.begin(), outages_.end(),
                                           [&](const ClusterOutage& one) { return one.promoted == change.at; });
            if (known) continue;
            ClusterOutage outage;
            outage.slots = change.slots;
            outage.began = change.at - 4 * node_timeout;
            outage.promoted = change.at;
            const auto demoted = clock_->change(mate_of(change.node), false, change.not_before - node_timeout);
            outage.demoted = demoted ? demoted->at : change.at;
            outage.ended = outage.demoted + under_way;
            outage.served = outage.ended + most_without_service;
            outages_.push_back(outage);
            not_before_.push_back(change.not_before);
        }
    }

    /// What of the keys in this slot failovers may have lost. By request nothing is: the old master waits for the new one.
    Failovers failovers_of(std::uint16_t slot) const {
        Failovers made;
        for (std::size_t i = 0; i != outages_.size(); ++i) {
            const ClusterOutage& one = outages_[i];
            if (!one.slots.test(slot)) continue;
            const Tick at = world_.tick_of(not_before_[i]);
            const Tick known = world_.tick_of(one.demoted + under_way);
            if (one.fault == ClusterFault::request) {
                made.add_old_answers(at, known);
                continue;
            }
            const Tick from = world_.tick_of(std::min(one.began, not_before_[i]) - unreplicated);
            made.add({from, at, world_.tick_of(one.ended)});
            if (one.fault == ClusterFault::hang) {
                made.add({world_.tick_of(one.back), at, known});
                made.add_old_answers(world_.tick_of(one.back), known);
            } else if (one.fault != ClusterFault::kill && one.ended > one.promoted) {
                made.add_old_answers(at, world_.tick_of(one.ended));
            }
        }
        return made;
    }

    void check() {
        RedisServiceConfig config = default_times(cluster_.url());
        config.connection_timeout = config.attempt_timeout = config.operation_timeout = 30s;
        RedisService service(config);
        service.initialize();
        if (options_.sabotage) World::sabotage(service.get_connection("chaos"));
        std::map<std::uint16_t, Failovers> by_slot;
        const World::Checked checked =
            world_.check(service.get_connection("chaos"), [&](const std::string& key) -> Failovers& {
                const std::uint16_t slot = slot_of_key(key);
                const auto known = by_slot.find(slot);
                return known != by_slot.end() ? known->second : by_slot.emplace(slot, failovers_of(slot)).first->second;
            });
        for (const std::string& deviation : checked.deviations) progress_.deviation(deviation);
        summary_.keys_checked = checked.keys;
        for (const auto& [slot, failovers] : by_slot) {
            summary_.lost += failovers.lost();
            summary_.seen += failovers.seen();
            summary_.old_answers += failovers.old();
        }
    }

    void report() {
        summary_.server = cluster_.node(0).version();
        summary_.seed = options_.seed;
        summary_.coroutines = options_.coroutines;
        summary_.threads = options_.threads;
        summary_.private_network = options_.private_network;
        summary_.tally = crowd_.tally();
        summary_.outages = outages_;
        summary_.errors = explain(progress_.failures(), outages_, world_);
        summary_.wires_lost = losses_->wires;
        summary_.breaker_opened = losses_->opened;
        summary_.deviations = progress_.deviations();
        print(summary_);
        if (options_.json.empty()) return;
        std::ofstream file(options_.json);
        file << to_json(summary_) << '\n';
        if (!file.flush()) throw std::runtime_error("cannot write " + options_.json);
    }

    Options options_;
    EmbeddedCluster cluster_;
    std::optional<testing::CutOff> cut_off_;
    std::optional<testing::ClusterClock> clock_;
    asio::io_context loop_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::shared_ptr<testing::Losses> losses_ = std::make_shared<testing::Losses>();
    std::optional<RedisService> service_;
    World world_;
    Progress progress_;
    Crowd crowd_{options_, world_, progress_, loop_, default_times("").operation_timeout};
    ClusterSchedule schedule_{options_.seed};
    testing::Random moves_{options_.seed + 1};
    std::vector<ClusterOutage> outages_;
    std::vector<TimePoint> not_before_;  // of each: then its heir was still a replica
    ClusterSummary summary_;
    std::thread thread_;
};

}  // namespace

bool run_cluster(const Options& options) { return ClusterChaos(options).run(); }

}  // namespace redoubt::chaos
