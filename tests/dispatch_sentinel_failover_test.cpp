// dispatch: failovers under writers, on both real servers: what each write's outcome says is what the new master has, and
// how long nobody could write, past the Sentinels' own time.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "support/dispatch_rig.hpp"
#include "support/scripted_operation.hpp"
#include "support/sentinel_group.hpp"

namespace redoubt::dispatch {
namespace {

using testing::CallOutcome;
using testing::DispatchRig;
using testing::FailoverClock;

constexpr int blocking_writers = 4;
constexpr int async_writers = 2;

/// More of them, for a measurement: REDOUBT_FAILOVERS=20.
int failovers_to_make() {
    const char* const text = std::getenv("REDOUBT_FAILOVERS");
    return text == nullptr ? 2 : std::atoi(text);
}

/// One write and what its caller was told. Each writer appends its numbers to a list of its own.
struct Write {
    int number = 0;
    TimePoint ended;
    std::optional<Certainty> failed;  // nullopt: it succeeded
    std::string why;
};

class Writer {
public:
    Writer(DispatchRig& rig, int number, bool async)
        : rig_(rig), key_("list:" + std::to_string(number)), async_(async), thread_([this] { run(); }) {}
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    ~Writer() { stop(); }
    void stop() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    const std::string& key() const { return key_; }
    const std::vector<Write>& writes() const { return writes_; }

private:
    void run() {
        for (int number = 0; !stop_; ++number) {
            Write write{number, {}, std::nullopt, {}};
            const std::string text = std::to_string(number);
            const auto push = cmd::rpush(key_, text);
            const CallOutcome outcome = async_ ? rig_.start(push).get() : rig_.run(push);
            if (outcome.error) {
                write.failed = outcome.error->certainty;
                write.why = outcome.told();
                // What an open breaker refuses costs nothing: without a pause it would be a million lines.
                std::this_thread::sleep_for(1ms);
            }
            write.ended = Clock::now();
            writes_.push_back(std::move(write));
        }
    }

    DispatchRig& rig_;
    std::string key_;
    bool async_;
    std::atomic<bool> stop_{false};
    std::vector<Write> writes_;
    std::thread thread_;  // last
};

// How far a replica may be behind its master on a busy machine.
constexpr Duration unreplicated = 1s;

/// A time in which a master may have lost what it had acknowledged. A replica has all that its master did up to some
/// moment, so a writer misses one run of writes at most by each, to the last that this master answered: anything else is a
/// fault.
struct Loss {
    TimePoint from;
    TimePoint until;
    TimePoint gone;  ///< what is answered later, another master may have answered
    std::set<const Writer*> used_by;
};

using Acknowledged = std::vector<const Write*>;

/// The first and the last of each run of writes that succeeded and are not there.
std::vector<std::pair<Acknowledged::const_iterator, Acknowledged::const_iterator>> missing_runs(
    const Acknowledged& acknowledged, const std::map<int, int>& stored) {
    std::vector<std::pair<Acknowledged::const_iterator, Acknowledged::const_iterator>> runs;
    bool missed = false;
    for (auto one = acknowledged.begin(); one != acknowledged.end(); ++one) {
        const bool misses = !stored.contains((*one)->number);
        if (misses && missed) runs.back().second = one;
        if (misses && !missed) runs.emplace_back(one, one);
        missed = misses;
    }
    return runs;
}

class DispatchFailover : public testing::SentinelGroupTest {
protected:
    /// What the Sentinels wrote of failovers: why there was one that nobody asked for.
    void print_logs() {
        for (std::size_t i = 0; i != group().sentinels(); ++i) {
            std::ifstream log(std::filesystem::path(group().sentinel(i).directory()) / "redis.log");
            for (std::string line; std::getline(log, line);) {
                const bool tells = line.find(" +") != std::string::npos || line.find(" -") != std::string::npos;
                if (tells) std::cout << "Sentinel " << i << ": " << line << '\n';
            }
        }
    }
};

TEST_P(DispatchFailover, EachOutcomeIsTrueAndServiceIsBackWithinASecondOfThePromotion) {
    EmbeddedSentinelOptions patient = options();
    patient.down_after = 1s;  // else a busy machine looks like a dead master
    // A Sentinel that has voted, and is not told of the new master within twice this, makes another node the master.
    patient.failover_timeout = 4s;
    start(patient);
    DispatchRig rig(config());
    ASSERT_EQ(rig.run(cmd::set("before", "v")).told(), "OK");
    FailoverClock clock(group());
    const int failovers = failovers_to_make();
    std::vector<std::unique_ptr<Writer>> writers;
    std::vector<TimePoint> kills;
    std::vector<TimePoint> promotions;
    for (int i = 0; i != blocking_writers + async_writers; ++i) {
        writers.push_back(std::make_unique<Writer>(rig, i, i >= blocking_writers));
    }
    for (int i = 0; i != failovers; ++i) {
        group().wait_until_whole();
        kills.push_back(Clock::now());
        const std::size_t old = group().kill_master();
        promotions.push_back(clock.announced(kills.back()));
        const std::size_t heir = group().wait_for_another_master(old);
        // Everybody writes again, before the next one falls.
        const std::string text = std::to_string(i);
        ASSERT_EQ(rig.run(cmd::set("after", text), {.deadline = 20s, .retries = 100}).told(), "OK");
        EXPECT_EQ(node(heir).command({"GET", "proj:a:after"}), testing::bulk(text));
        group().restart(old);
    }
    group().wait_until_whole();
    for (const auto& writer : writers) writer->stop();

    // When a master may have lost what it had acknowledged and not yet replicated: when it was killed, and when another
    // one was made the master although nobody had asked for that.
    std::vector<Loss> losses;
    for (const TimePoint kill : kills) losses.push_back({kill - unreplicated, kill + 50ms, kill, {}});
    std::size_t unasked = 0;
    const auto masters = clock.masters();
    for (std::size_t i = 1; i < masters.size(); ++i) {
        const bool asked_for = std::any_of(kills.begin(), kills.end(), [&](TimePoint kill) {
            return kill > masters[i - 1].first && kill < masters[i].first;
        });
        if (asked_for) continue;
        ++unasked;
        const TimePoint at = masters[i].first;
        losses.push_back({at - unreplicated, at + 1s, at - unreplicated, {}});
    }

    testing::RawClient master = node(group().master());
    std::map<std::string, std::size_t> told;
    std::size_t lost = 0;
    std::size_t deviations = 0;
    std::size_t twice = 0;
    std::vector<double> without_service;
    std::vector<TimePoint> successes;
    for (const auto& writer : writers) {
        std::map<int, int> stored;
        for (const std::string& text : master.strings({"LRANGE", "proj:a:" + writer->key(), "0", "-1"})) {
            ++stored[std::stoi(text)];
        }
        for (const auto& [number, times] : stored) twice += times != 1 ? 1 : 0;
        std::vector<const Write*> acknowledged;
        for (const Write& write : writer->writes()) {
            ++told[write.failed ? std::string(to_string(*write.failed)) : "success"];
            if (!write.failed) {
                acknowledged.push_back(&write);
                successes.push_back(write.ended);
            } else if (write.failed != Certainty::unknown && stored.contains(write.number)) {
                ++deviations;
                ADD_FAILURE() << writer->key() << ' ' << write.number << ": " << write.why;
            }
        }
        for (const auto& [first, last] : missing_runs(acknowledged, stored)) {
            const auto count = static_cast<std::size_t>(last - first + 1);
            const auto loss = std::find_if(losses.begin(), losses.end(), [&](const Loss& one) {
                const bool to_the_last = last + 1 == acknowledged.end() || (*(last + 1))->ended > one.gone;
                return (*first)->ended >= one.from && (*last)->ended <= one.until && to_the_last &&
                       !one.used_by.contains(writer.get());
            });
            if (loss != losses.end()) {
                loss->used_by.insert(writer.get());
                lost += count;
                continue;
            }
            deviations += count;
            ADD_FAILURE() << writer->key() << ": missing from " << (*first)->number << " to " << (*last)->number
                          << ", answered " << ((*first)->ended - kills.front()) / 1ms << " to "
                          << ((*last)->ended - kills.front()) / 1ms << " ms after the first kill";
        }
    }
    if (deviations != 0 || unasked != 0) {
        for (const TimePoint kill : kills) std::cout << "kill " << (kill - kills.front()) / 1ms << " ms\n";
        for (const auto& [at, port] : masters) {
            std::cout << "master " << port << ' ' << (at - kills.front()) / 1ms << " ms\n";
        }
        print_logs();
    }
    std::sort(successes.begin(), successes.end());
    for (const TimePoint promotion : promotions) {
        const auto first = std::upper_bound(successes.begin(), successes.end(), promotion);
        ASSERT_NE(first, successes.end());
        without_service.push_back(std::chrono::duration<double, std::milli>(*first - promotion).count());
    }
    std::sort(without_service.begin(), without_service.end());
    EXPECT_EQ(deviations, 0u);
    EXPECT_EQ(twice, 0u);
    EXPECT_LT(without_service.back(), 1000.0);
    EXPECT_GT(told["success"], 1000u);
    std::cout << failovers << " failovers, " << unasked
              << " that nobody asked for: without service after the promotion: median "
              << without_service[without_service.size() / 2] << " ms, worst " << without_service.back() << " ms;";
    for (const auto& [what, count] : told) std::cout << ' ' << what << ' ' << count << ',';
    std::cout << " lost by failovers " << lost << ", deviations " << deviations << ", applied twice " << twice
              << std::endl;
}

INSTANTIATE_TEST_SUITE_P(BothServers, DispatchFailover, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return testing::short_name(parameter.param); });

}  // namespace
}  // namespace redoubt::dispatch
