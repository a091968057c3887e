// tests: the chaos with Sentinels: the master is killed, hangs, is cut off or has to step down under many writers.
// What callers were told is compared with what the last master has; what a failover itself loses, because a replica is a
// little behind its master, is counted apart. `./dev chaos --topology sentinel`.
#include <algorithm>
#include <array>
#include <filesystem>
#include <fstream>
#include <future>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/json/serialize.hpp>

#include <redoubt/embedded/embedded_sentinel.hpp>

#include "chaos/control.hpp"
#include "chaos/crowd.hpp"
#include "chaos/options.hpp"
#include "chaos/report.hpp"
#include "embedded/questions.hpp"
#include "support/failover_clock.hpp"
#include "support/losses.hpp"
#include "support/private_network.hpp"
#include "support/random.hpp"

namespace redoubt::chaos {
namespace {

namespace asio = boost::asio;

constexpr Duration patience = 90s;
// How far a replica may be behind its master on a busy machine. What was acknowledged longer ago must be there.
constexpr Duration unreplicated = 1s;
// Before each failover, so that most of what is written can be lost by none.
constexpr Duration undisturbed = 3s;
// From the first announcement of a new master until callers write to it.
constexpr Duration most_without_service = 1s;

enum class Fault : std::uint8_t {
    kill,     ///< SIGKILL of the master, which comes back as a replica
    hang,     ///< SIGSTOP of the master, and SIGCONT after another one has taken its place
    request,  ///< SENTINEL FAILOVER: nothing is wrong with the master
    cut_off,  ///< neither Sentinels nor replicas reach the master, but clients do, until another one has taken its place
};
constexpr std::array<std::string_view, 4> fault_names{"SIGKILL of the master", "SIGSTOP of the master",
                                                      "SENTINEL FAILOVER", "the master cut off"};

EmbeddedSentinelOptions group_of(const Options& options) {
    EmbeddedSentinelOptions given;
    given.program =
        options.server == "redis" || options.server == "valkey" ? options.server + "-server" : options.server;
    given.down_after = 1s;  // less, and a busy machine looks like a dead master
    given.failover_timeout = 4s;
    // Nothing is ever evicted, which would look like a loss.
    given.extra_configuration = "maxmemory 2gb\nmaxmemory-policy noeviction";
    return given;
}

/// At default settings, but without the monitor.
RedisServiceConfig default_times(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.health_check_interval = Duration::zero();
    return config;
}

/// What became of one failover.
struct Outage {
    Fault fault = Fault::kill;
    TimePoint began;
    TimePoint ended;     // the old master acknowledges nothing any more
    TimePoint promoted;  // the Sentinels' first word of another master
    TimePoint served;    // both kinds of callers have written to it; unknown where the old one served meanwhile
};

class FailoverChaos {
public:
    explicit FailoverChaos(const Options& options)
        : options_(options),
          group_(group_of(options)),
          loop_(1),
          work_(loop_.get_executor()),
          service_(loop_, default_times(group_.url())) {
        progress_.expect_replicas();
        service_.set_telemetry(losses_);
        // The master is found on the loop, so that it has to run before anybody waits for that.
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~FailoverChaos() {
        progress_.stop();
        if (!thread_.joinable()) return;
        loop_.stop();
        thread_.join();
    }
    FailoverChaos(const FailoverChaos&) = delete;
    FailoverChaos& operator=(const FailoverChaos&) = delete;

    bool run() {
        const TimePoint begin = Clock::now();
        service_.initialize();
        Control control([this] { crowd_.look_for_stuck(); });
        crowd_.start([this](std::uint32_t /*caller*/) { return service_.get_connection("chaos"); },
                     [this] {
                         service_.close();
                         work_.reset();
                     });
        be_a_villain();
        progress_.stop();
        thread_.join();
        crowd_.join();
        latest_timer_ = control.latest_timer();
        wait_until_all_has_landed();
        check();
        seconds_ = std::chrono::duration<double>(Clock::now() - begin).count();
        print();
        if (!options_.json.empty()) save();
        return progress_.deviations() == 0 && worst(without_service()) < most_without_service;
    }

private:
    void be_a_villain() {
        try {
            for (std::uint32_t i = 0; i != options_.failovers; ++i) {
                group_.wait_until_whole(patience);
                std::this_thread::sleep_for(undisturbed);
                Fault fault = i < fault_names.size() ? static_cast<Fault>(i)
                                                     : static_cast<Fault>(random_.below(fault_names.size()));
                if (fault == Fault::cut_off && !cut_off_) fault = Fault::hang;
                fail_over(fault);
            }
            group_.wait_until_whole(patience);
        } catch (...) {
            crowd_.ended_by(std::current_exception());
        }
    }

    void fail_over(Fault fault) {
        Outage outage{fault, Clock::now(), {}, {}, {}};
        std::size_t old = 0;
        switch (fault) {
            case Fault::kill: old = group_.kill_master(); break;
            case Fault::hang:
                old = group_.master();
                group_.node(old).pause();
                break;
            case Fault::request: old = group_.begin_failover(); break;
            case Fault::cut_off: cut_off_->cut(old = group_.master()); break;
        }
        const bool goes_on = serves_meanwhile(fault);
        if (!goes_on) outage.served = served_again();
        outage.promoted = clock_.announced(outage.began);
        outage.ended = goes_on ? outage.promoted + most_without_service : outage.promoted;
        outages_.push_back(outage);
        (void)group_.wait_for_another_master(old, patience);
        switch (fault) {
            case Fault::kill: group_.restart(old); break;
            case Fault::hang: group_.node(old).resume(); break;
            case Fault::cut_off: cut_off_->heal(); break;
            case Fault::request: break;
        }
        if (fault != Fault::kill) follow(old);
    }
    // The old master goes on, for as long as callers may still be there.
    static bool serves_meanwhile(Fault fault) { return fault == Fault::request || fault == Fault::cut_off; }

    /// When blocking and async callers both have written something, after what is there now has gone.
    TimePoint served_again() {
        auto redis = service_.get_connection("recovery").with({.retries = 0});
        const TimePoint limit = Clock::now() + patience;
        const auto until_written = [limit](auto write) {
            while (!write()) {
                if (Clock::now() > limit) throw std::runtime_error("the library does not find the new master");
                std::this_thread::sleep_for(std::chrono::milliseconds(1));
            }
            return Clock::now();
        };
        auto async = std::async(std::launch::async, [&] {
            return until_written(
                [&] { return redis.async().try_set("async", "v")(asio::use_future).get().has_value(); });
        });
        const TimePoint blocking = until_written([&] { return redis.try_set("blocking", "v").has_value(); });
        return std::max(blocking, async.get());
    }

    /// By itself a node believes for some ten seconds that it still is a master.
    void follow(std::size_t node) {
        const std::string port = std::to_string(group_.node(group_.master()).port());
        embedded::ask_or_raise({group_.node(node).socket_path(), {}}, "REPLICAOF", {"REPLICAOF", "127.0.0.1", port});
    }

    // Connections are closed on our side; the servers still read what lies in them. Sentinels and replicas are clients, too.
    void wait_until_all_has_landed() {
        for (std::size_t i = 0; i != group_.nodes(); ++i) {
            embedded::wait_until("end of the library's connections", 30s, [&]() -> std::string {
                const std::string list = embedded::ask_one({group_.node(i).socket_path(), {}}, {"CLIENT", "LIST"});
                return list.find("name=redoubt") == std::string::npos ? "" : list;
            });
        }
    }

    void check() {
        for (const Outage& one : outages_) {
            const Tick began = world_.tick_of(one.began);
            failovers_.add({world_.tick_of(one.began - unreplicated), began, world_.tick_of(one.ended)});
        }
        add_unasked();
        RedisServiceConfig config = default_times(group_.url());
        config.connection_timeout = config.attempt_timeout = config.operation_timeout = 30s;
        RedisService service(config);
        service.initialize();
        if (options_.sabotage) World::sabotage(service.get_connection("chaos"));
        const World::Checked checked = world_.check(service.get_connection("chaos"), failovers_);
        for (const std::string& deviation : checked.deviations) progress_.deviation(deviation);
        keys_checked_ = checked.keys;
    }

    /// Another master, though nothing was done to the one before: on a busy machine one may not answer its Sentinels in
    /// time.
    void add_unasked() {
        const auto masters = clock_.masters();
        TimePoint before = TimePoint::min();
        for (const auto& [at, port] : masters) {
            const bool asked_for = std::any_of(outages_.begin(), outages_.end(), [&, at = at](const Outage& one) {
                return one.began > before && one.began < at;
            });
            before = at;
            if (asked_for) continue;
            ++unasked_;
            const Tick from = world_.tick_of(at - unreplicated);
            failovers_.add({from, from, world_.tick_of(at + most_without_service)});
        }
        if (unasked_ != 0) print_logs();
    }

    void print_logs() {
        for (std::size_t i = 0; i != group_.sentinels(); ++i) {
            std::ifstream log(std::filesystem::path(group_.sentinel(i).directory()) / "redis.log");
            for (std::string line; std::getline(log, line);) {
                const bool tells = line.find(" +") != std::string::npos || line.find(" -") != std::string::npos;
                if (tells) fmt::print("Sentinel {}: {}\n", i, line);
            }
        }
    }

    std::vector<Duration> without_service() const {
        std::vector<Duration> times;
        for (const Outage& one : outages_) {
            if (!serves_meanwhile(one.fault)) times.push_back(std::max(one.served - one.promoted, Duration::zero()));
        }
        return times;
    }
    std::vector<Duration> detection() const {
        std::vector<Duration> times;
        for (const Outage& one : outages_) {
            if (!serves_meanwhile(one.fault)) times.push_back(one.promoted - one.began);
        }
        return times;
    }
    std::uint64_t count(Fault fault) const {
        return static_cast<std::uint64_t>(
            std::count_if(outages_.begin(), outages_.end(), [&](const Outage& one) { return one.fault == fault; }));
    }

    void print() {
        const Tally tally = crowd_.tally();
        const auto line = [](std::string_view what, std::uint64_t count) {
            fmt::print("{:<48} {:>10}\n", what, count);
        };
        const auto time = [](std::string_view what, Duration length) {
            fmt::print("{:<48} {:>10.1f} ms\n", what, in_ms(length));
        };
        fmt::print("{} with Sentinels, seed {}, {:.0f} s, {} coroutines and {} threads\n", group_.node(0).version(),
                   options_.seed, seconds_, options_.coroutines, options_.threads);
        if (!cut_off_)
            fmt::print("this machine allows no network of its own: masters hang where they should be cut off\n");
        line("operations", tally.operations);
        line("commands in them", tally.commands);
        for (std::size_t i = 0; i != fault_names.size(); ++i) {
            line(fmt::format("failover: {}", fault_names[i]), count(static_cast<Fault>(i)));
        }
        line("failovers that nobody asked for", unasked_);
        print_outcomes(std::cout, tally);
        std::cout.flush();
        line("wires lost", losses_->wires);
        line("times that a breaker opened", losses_->opened);
        time("the Sentinels' own time, median", median(detection()));
        time("the Sentinels' own time, worst", worst(detection()));
        time("without service beyond it, median", median(without_service()));
        time("without service beyond it, worst", worst(without_service()));
        line("answers over 50 ms past the deadline", tally.late);
        time("latest answer, past its deadline", std::max(tally.latest, Duration{}));
        time("latest timer of this machine", latest_timer_);
        line("keys checked at the end", keys_checked_);
        line("acknowledged writes that failovers lost", failovers_.lost());
        line("answers that show such a loss", failovers_.seen());
        line("deviations", progress_.deviations());
    }

    void save() {
        const Tally tally = crowd_.tally();
        boost::json::object faults;
        for (std::size_t i = 0; i != fault_names.size(); ++i) faults[fault_names[i]] = count(static_cast<Fault>(i));
        const boost::json::object object{
            {"server", group_.node(0).version()},
            {"topology", "sentinel"},
            {"seed", options_.seed},
            {"seconds", seconds_},
            {"coroutines", options_.coroutines},
            {"threads", options_.threads},
            {"operations", tally.operations},
            {"commands", tally.commands},
            {"failovers", faults},
            {"private_network", options_.private_network},
            {"unasked_failovers", unasked_},
            {"outcomes", outcomes_json(tally)},
            {"errors", errors_json(tally)},
            {"sentinels_own_time_median_ms", in_ms(median(detection()))},
            {"sentinels_own_time_worst_ms", in_ms(worst(detection()))},
            {"without_service_median_ms", in_ms(median(without_service()))},
            {"without_service_worst_ms", in_ms(worst(without_service()))},
            {"late_answers", tally.late},
            {"keys_checked", keys_checked_},
            {"lost_by_failovers", failovers_.lost()},
            {"deviations", progress_.deviations()},
        };
        std::ofstream file(options_.json);
        file << boost::json::serialize(object) << '\n';
        if (!file.flush()) throw std::runtime_error("cannot write " + options_.json);
    }

    Options options_;
    EmbeddedSentinel group_;
    // Before anybody is connected to them, for the servers are started again.
    std::unique_ptr<testing::CutOff> cut_off_ =
        options_.private_network ? std::make_unique<testing::CutOff>(group_) : nullptr;
    testing::FailoverClock clock_{group_};
    asio::io_context loop_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::shared_ptr<testing::Losses> losses_ = std::make_shared<testing::Losses>();
    RedisService service_;
    World world_;
    Progress progress_;
    Crowd crowd_{options_, world_, progress_, loop_, default_times("").operation_timeout};
    testing::Random random_{options_.seed};
    std::vector<Outage> outages_;
    Failovers failovers_;
    std::uint64_t unasked_ = 0;
    std::uint64_t keys_checked_ = 0;
    Duration latest_timer_{};
    double seconds_ = 0;
    std::thread thread_;
};

}  // namespace

bool run_failovers(const Options& options) { return FailoverChaos(options).run(); }

}  // namespace redoubt::chaos
