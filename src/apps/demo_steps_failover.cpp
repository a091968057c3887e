// apps: demo: the master dies in the middle of a job: the service follows the Sentinels to the next one, and what each
// write's caller was told is what that one has.
#include <algorithm>
#include <atomic>
#include <deque>
#include <set>
#include <thread>

#include <fmt/format.h>
#include <boost/asio/use_future.hpp>

#include "apps/demo.hpp"
#include "embedded/questions.hpp"

namespace redoubt::apps {
namespace {

constexpr int blocking_writers = 4;
constexpr int async_writers = 2;
constexpr std::size_t writes_before = 1000;  // of each, and as many again on the new master
constexpr Duration patience = 30s;
constexpr double most_without_service_ms = 1000;
// A replica is a little behind its master; what was acknowledged longer before its end must be there.
constexpr Duration unreplicated = 1s;

/// One write, and what its caller was told.
struct Write {
    TimePoint ended;
    std::optional<Certainty> failed;
};

/// Appends its numbers to a list of its own, each once: a write of unknown outcome is not repeated.
class Writer {
public:
    Writer(ProjectIsolatedRedisClient redis, int number, bool async)
        : redis_(std::move(redis)), key_(fmt::format("job:{}", number)), async_(async), thread_([this] { run(); }) {}
    ~Writer() { stop(); }
    Writer(const Writer&) = delete;
    Writer& operator=(const Writer&) = delete;
    void stop() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    std::size_t succeeded() const noexcept { return succeeded_; }
    const std::string& key() const noexcept { return key_; }
    const std::deque<Write>& writes() const noexcept { return writes_; }  ///< of one that was stopped

private:
    void run() {
        while (!stop_) {
            const std::string number = std::to_string(writes_.size());
            const result<std::int64_t> outcome =
                async_ ? redis_.async().try_rpush(key_, number)(boost::asio::use_future).get()
                       : redis_.try_rpush(key_, number);
            Write write{Clock::now(), std::nullopt};
            if (outcome) {
                ++succeeded_;
            } else {
                write.failed = outcome.error().certainty;
                std::this_thread::sleep_for(1ms);  // what an open breaker refuses costs nothing
            }
            writes_.push_back(write);
        }
    }

    ProjectIsolatedRedisClient redis_;
    std::string key_;
    bool async_;
    std::atomic<bool> stop_{false};
    std::atomic<std::size_t> succeeded_{0};
    std::deque<Write> writes_;
    std::thread thread_;  // last
};

struct Failover {
    std::deque<Writer> writers;
    std::size_t old = 0;
    TimePoint killed;
    TimePoint named;  // another master, by the first Sentinel to do so

    bool all_have(std::size_t more, const std::vector<std::size_t>& than) const {
        for (std::size_t i = 0; i != writers.size(); ++i) {
            if (writers[i].succeeded() < than[i] + more) return false;
        }
        return true;
    }
    std::vector<std::size_t> successes() const {
        std::vector<std::size_t> counts;
        for (const Writer& one : writers) counts.push_back(one.succeeded());
        return counts;
    }
};

bool names_another(Demo& demo, std::size_t old) {
    const std::string port = std::to_string(demo.group->node(old).port());
    for (std::size_t i = 0; i != demo.group->sentinels(); ++i) {
        const std::vector<std::string> address =
            ask_server(demo.group->sentinel(i), {"SENTINEL", "GET-MASTER-ADDR-BY-NAME", "mymaster"});
        if (address.size() == 2 && address[1] != port) return true;
    }
    return false;
}

StepResult master_killed(Demo& demo, Failover& failover) {
    for (int i = 0; i != blocking_writers + async_writers; ++i) {
        failover.writers.emplace_back(demo.project(demo.alpha), i, i >= blocking_writers);
    }
    const std::vector<std::size_t> none(failover.writers.size(), 0);
    if (!eventually(patience, [&] { return failover.all_have(writes_before, none); })) {
        return StepResult::failed(fmt::format("{} writes each", writes_before), "fewer");
    }
    failover.old = demo.group->kill_master();
    failover.killed = Clock::now();
    const bool named = eventually(patience, [&] { return names_another(demo, failover.old); });
    failover.named = Clock::now();
    const std::vector<std::size_t> before = failover.successes();
    const bool served = named && eventually(patience, [&] { return failover.all_have(writes_before, before); });
    for (Writer& one : failover.writers) one.stop();
    if (!served) return StepResult::failed("every writer writes again", named ? "not all do" : "no other master");

    std::size_t writes = 0;
    std::size_t unknown = 0;
    std::size_t certain = 0;
    TimePoint latest = failover.named;
    for (const Writer& one : failover.writers) {
        const std::deque<Write>& all = one.writes();
        writes += all.size();
        for (const Write& write : all) {
            if (write.failed) ++(*write.failed == Certainty::unknown ? unknown : certain);
        }
        const auto again = std::find_if(all.begin(), all.end(), [&](const Write& write) {
            return !write.failed && write.ended > failover.killed + 10ms;
        });
        latest = std::max(latest, again->ended);
    }
    const double without_service = milliseconds(latest - failover.named);
    return StepResult::check(
        without_service < most_without_service_ms,
        fmt::format(
            "{} writes by {} writers, {} failed for certain, {} of unknown outcome; the Sentinels took {:.0f} ms, "
            "then all wrote again after {:.0f} ms",
            writes, failover.writers.size(), certain, unknown, milliseconds(failover.named - failover.killed),
            without_service),
        fmt::format("all write again within {} ms of the new master's naming", most_without_service_ms));
}

StepResult outcomes_are_true(Demo& demo, const Failover& failover) {
    const EmbeddedServer& master = demo.group->node(demo.group->wait_for_another_master(failover.old));
    std::size_t checked = 0;
    std::size_t lost = 0;
    std::size_t wrong = 0;
    for (const Writer& one : failover.writers) {
        const std::string key = fmt::format("proj:{}:{}", demo.alpha, one.key());
        std::set<std::string> stored;
        for (const std::string& number : ask_server(master, {"LRANGE", key, "0", "-1"})) {
            if (!stored.insert(number).second) ++wrong;  // applied twice
        }
        for (std::size_t i = 0; i != one.writes().size(); ++i) {
            const Write& write = one.writes()[i];
            const bool is_there = stored.contains(std::to_string(i));
            ++checked;
            if (write.failed) {
                if (is_there && *write.failed != Certainty::unknown) ++wrong;
            } else if (!is_there) {
                const bool by_failover =
                    write.ended > failover.killed - unreplicated && write.ended < failover.killed + 10ms;
                ++(by_failover ? lost : wrong);
            }
        }
    }
    return StepResult::check(
        wrong == 0,
        fmt::format("{} writes, {} of them otherwise; {} acknowledged, but not yet replicated when "
                    "the master died",
                    checked, wrong, lost),
        "each outcome as its caller was told, no write twice");
}

StepResult old_master_follows(Demo& demo, const Failover& failover) {
    const TimePoint begin = Clock::now();
    demo.group->restart(failover.old);
    const EmbeddedServer& old = demo.group->node(failover.old);
    const bool follows = eventually(patience, [&] {
        const std::string info = ask_server(old, {"INFO", "replication"}).at(0);
        return embedded::field_of(info, "role") == "slave" && embedded::field_of(info, "master_link_status") == "up";
    });
    ProjectIsolatedRedisClient redis = demo.project(demo.beta);
    redis.set("user_data", "after the failover");
    const std::optional<std::string> value = redis.get("user_data");
    return StepResult::check(follows && value == "after the failover",
                             fmt::format("a replica {:.0f} ms after its restart; SET and GET go to the new master",
                                         milliseconds(Clock::now() - begin)),
                             "the old master follows, and the value that was just written is read");
}

}  // namespace

void show_failover(Demo& demo) {
    Failover failover;
    if (!demo.report.step("master killed in the middle of a job", [&] { return master_killed(demo, failover); }))
        return;
    demo.report.step("callers were told the truth", [&] { return outcomes_are_true(demo, failover); });
    demo.report.step("the old master comes back", [&] { return old_master_follows(demo, failover); });
}

}  // namespace redoubt::apps
