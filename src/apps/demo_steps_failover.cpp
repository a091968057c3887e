// apps: demo: the master dies in the middle of a job: the service follows the Sentinels to the next one, and what each
// write's caller was told is what that one has.
#include <algorithm>

#include <fmt/format.h>

#include "apps/demo.hpp"
#include "apps/demo_job.hpp"
#include "embedded/questions.hpp"

namespace redoubt::apps {
namespace {

constexpr int blocking_writers = 4;
constexpr int async_writers = 2;
constexpr std::size_t writes_before = 1000;  // of each, and as many again on the new master
constexpr Duration patience = 30s;
constexpr double most_without_service_ms = 1000;

struct Failover {
    Job job;
    std::size_t old = 0;
    TimePoint killed;
    TimePoint named;  // another master, by the first Sentinel to do so
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
        failover.job.add(demo.project(demo.alpha), fmt::format("job:{}", i), i >= blocking_writers);
    }
    if (!failover.job.each_writes(writes_before, patience)) {
        return StepResult::failed(fmt::format("{} writes each", writes_before), "fewer");
    }
    failover.old = demo.group->kill_master();
    failover.killed = Clock::now();
    const bool named = eventually(patience, [&] { return names_another(demo, failover.old); });
    failover.named = Clock::now();
    const bool served = named && failover.job.each_writes(writes_before, patience);
    failover.job.stop();
    if (!served) return StepResult::failed("every writer writes again", named ? "not all do" : "no other master");

    const TimePoint latest = std::max(failover.job.all_wrote_again(failover.killed), failover.named);
    const double without_service = milliseconds(latest - failover.named);
    const std::size_t certain = failover.job.failures(Certainty::not_sent) + failover.job.failures(Certainty::rejected);
    return StepResult::check(
        without_service < most_without_service_ms,
        fmt::format(
            "{} writes by {} writers, {} failed for certain, {} of unknown outcome; the Sentinels took {:.0f} ms, "
            "then all wrote again after {:.0f} ms",
            failover.job.writes(), failover.job.writers(), certain, failover.job.failures(Certainty::unknown),
            milliseconds(failover.named - failover.killed), without_service),
        fmt::format("all write again within {} ms of the new master's naming", most_without_service_ms));
}

StepResult outcomes_are_true(Demo& demo, const Failover& failover) {
    const EmbeddedServer& master = demo.group->node(demo.group->wait_for_another_master(failover.old));
    const Job::Outcomes outcomes = failover.job.compare(
        [&](const std::string& key) {
            const std::string name = fmt::format("proj:{}:{}", demo.alpha, key);
            return ask_server(master, {"LRANGE", name, "0", "-1"});
        },
        failover.killed);
    return StepResult::check(
        outcomes.wrong == 0,
        fmt::format("{} writes, {} of them otherwise; {} acknowledged, but not yet replicated when "
                    "the master died",
                    outcomes.checked, outcomes.wrong, outcomes.lost),
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
