// apps: demo: what is special in a Cluster: keys in many slots, a master that dies while the others serve on, and the keys
// of a project kept together.
#include <algorithm>
#include <thread>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/demo.hpp"
#include "apps/demo_job.hpp"
#include "apps/output.hpp"
#include "embedded/questions.hpp"
#include "topology/slot.hpp"

namespace redoubt::apps {
namespace {

constexpr int blocking_writers = 2;  // to the slots of each master
constexpr int async_writers = 1;
constexpr std::size_t writes_before = 1000;  // of each, and as many again on the new master
constexpr Duration patience = 30s;
constexpr double most_without_service_ms = 1000;
constexpr int many = 300;

std::uint16_t slot_of(const std::string& project, std::string_view key) {
    return topology::slot_of(fmt::format("proj:{}:{}", project, key));
}

/// How often the servers were given these commands, of whomever.
std::size_t given(Demo& demo, std::initializer_list<std::string_view> commands) {
    std::size_t count = 0;
    for (const EmbeddedServer* const server : demo.own_masters()) {
        const std::string info = ask_server(*server, {"INFO", "commandstats"}).at(0);
        for (const std::string_view command : commands) {
            const std::string line = embedded::field_of(info, fmt::format("cmdstat_{}", command));
            if (line.starts_with("calls=")) count += std::stoul(line.substr(6));
        }
    }
    return count;
}

StepResult many_keys(Demo& demo) {
    const ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
    std::vector<std::string> names;
    std::vector<TextPair> pairs;
    for (int i = 0; i != many; ++i) names.push_back(fmt::format("many:{}", i));
    for (const std::string& name : names) pairs.emplace_back(name, name);
    const std::vector<std::string_view> keys(names.begin(), names.end());
    const TimePoint begin = Clock::now();
    redis.mset(pairs);
    const std::vector<std::optional<std::string>> values = redis.mget(keys);
    const double elapsed = milliseconds(Clock::now() - begin);
    const bool in_order = std::equal(values.begin(), values.end(), names.begin(), names.end());
    std::vector<std::size_t> spread;
    for (const EmbeddedServer* const server : demo.own_masters()) {
        spread.push_back(ask_server(*server, {"KEYS", fmt::format("proj:{}:many:*", demo.alpha)}).size());
    }
    const bool everywhere = spread.size() == 3 && std::find(spread.begin(), spread.end(), 0u) == spread.end();
    const std::int64_t there = redis.exists(keys);
    const std::int64_t deleted = redis.del(keys);
    return StepResult::check(
        in_order && everywhere && there == many && deleted == many,
        fmt::format("{} keys on masters with {} of them: MSET and MGET in {:.1f} ms, values {}; EXISTS {}, DEL {}",
                    many, fmt::join(spread, ", "), elapsed, in_order ? "in order" : "NOT IN ORDER", there, deleted),
        fmt::format("some at each of three masters, values in order, EXISTS {}, DEL {}", many, many));
}

/// Two keys in different slots.
std::pair<std::string, std::string> two_keys(const std::string& project) {
    const std::string first = "stock:1";
    for (int i = 2;; ++i) {
        std::string second = fmt::format("stock:{}", i);
        if (slot_of(project, second) != slot_of(project, first)) return {first, std::move(second)};
    }
}

StepResult refused_across_slots(Demo& demo) {
    const ProjectIsolatedRedisClient redis = demo.project(demo.alpha);
    const auto [one, other] = two_keys(demo.alpha);
    const std::size_t before = given(demo, {"multi", "exec", "set", "rename"});
    std::string why;
    for (const bool transaction : {false, true}) {
        try {
            if (transaction) {
                (void)redis.transaction().set(one, "1").set(other, "2").execute();
            } else {
                redis.rename(one, other);
            }
            return StepResult::failed("RedisConfigurationException", "it was executed");
        } catch (const RedisConfigurationException& refusal) {
            if (refusal.error().certainty != Certainty::not_sent) {
                return StepResult::failed("not_sent", describe(refusal));
            }
            // What comes behind it is what to do about it.
            why = refusal.error().reason();
            why.resize(std::min(why.find(';'), why.size()));
        }
    }
    const std::size_t sent = given(demo, {"multi", "exec", "set", "rename"}) - before;
    const auto done = redis.transaction().set("{stock}:1", "1").incr("{stock}:1").set("{stock}:2", "2").execute();
    return StepResult::check(
        sent == 0 && done && std::get<1>(*done) == 2,
        fmt::format("RENAME and MULTI before a byte was sent: {} ({} commands came to the servers); with a common tag, "
                    "{{stock}}:1 and {{stock}}:2, MULTI is executed",
                    why, sent),
        "both refused, nothing sent, and executed with a common tag");
}

struct NodeLoss {
    Job dead;  // on slots of the master that dies
    Job others;
    std::size_t old = 0;
    std::uint16_t slot = 0;
    TimePoint killed;
    TimePoint promoted;
    TimePoint served;
};

void start_writers(Demo& demo, NodeLoss& loss) {
    const auto slot = [&](int i) { return slot_of(demo.alpha, fmt::format("job:{}", i)); };
    loss.slot = slot(0);
    loss.old = demo.cluster->owner_of(loss.slot);
    const std::size_t wanted = blocking_writers + async_writers;
    std::vector<std::size_t> writers(demo.cluster->nodes());
    for (int i = 0; std::count(writers.begin(), writers.end(), wanted) != 3; ++i) {
        const std::size_t owner = demo.cluster->owner_of(slot(i));
        if (owner >= writers.size() || writers[owner] == wanted) continue;
        const bool async = ++writers[owner] > blocking_writers;
        (owner == loss.old ? loss.dead : loss.others).add(demo.project(demo.alpha), fmt::format("job:{}", i), async);
    }
}

StepResult master_killed(Demo& demo, NodeLoss& loss) {
    start_writers(demo, loss);
    for (const Job* const job : {&loss.dead, &loss.others}) {
        if (!job->each_writes(writes_before, patience)) {
            return StepResult::failed(fmt::format("{} writes each", writes_before), "fewer");
        }
    }
    std::vector<const EmbeddedServer*> replicas;
    for (std::size_t i = 0; i != demo.cluster->nodes(); ++i) {
        if (!is_master(demo.cluster->node(i))) replicas.push_back(&demo.cluster->node(i));
    }
    demo.cluster->kill_owner_of(loss.slot);
    loss.killed = Clock::now();
    const bool promoted = eventually(patience, [&] {
        std::this_thread::sleep_for(1ms);  // they have votes to cast
        return std::any_of(replicas.begin(), replicas.end(), [](const auto* one) { return is_master(*one); });
    });
    loss.promoted = Clock::now();
    const bool served = promoted && loss.dead.each_writes(writes_before, patience);
    for (Job* const job : {&loss.dead, &loss.others}) job->stop();
    if (!served) {
        return StepResult::failed("every writer writes again", promoted ? "not all do" : "no replica was promoted");
    }
    loss.served = std::max(loss.dead.all_wrote_again(loss.killed), loss.promoted);
    const double without_service = milliseconds(loss.served - loss.promoted);
    return StepResult::check(
        without_service < most_without_service_ms,
        fmt::format("that of slot {}: its replica was a master after {:.0f} ms, the Cluster's own time, and {:.0f} ms "
                    "later all writers to its slots wrote again; of {} writes there failed: {}",
                    loss.slot, milliseconds(loss.promoted - loss.killed), without_service, loss.dead.writes(),
                    loss.dead.failures_by_certainty()),
        fmt::format("all write again within {} ms of the promotion", most_without_service_ms));
}

StepResult others_served(const NodeLoss& loss) {
    const Job::Served served = loss.others.served_between(loss.killed, loss.served);
    const std::string failures = loss.others.failures_by_certainty();
    return StepResult::check(
        failures == "none" && served.fewest > 0,
        fmt::format("{} writes by {} writers in those {:.0f} ms, errors: {}; the slowest took {:.1f} ms", served.all,
                    loss.others.writers(), milliseconds(loss.served - loss.killed), failures,
                    milliseconds(served.slowest)),
        "writes by all of them, and no error");
}

StepResult outcomes_are_true(Demo& demo, const NodeLoss& loss) {
    const auto stored = [&](const std::string& key) {
        const std::size_t owner = demo.cluster->owner_of(slot_of(demo.alpha, key));
        return ask_server(demo.cluster->node(owner), {"LRANGE", fmt::format("proj:{}:{}", demo.alpha, key), "0", "-1"});
    };
    Job::Outcomes outcomes = loss.dead.compare(stored, loss.killed);
    outcomes += loss.others.compare(stored, std::nullopt);
    return StepResult::check(
        outcomes.wrong == 0,
        fmt::format("{} writes, {} of them otherwise; {} acknowledged, but not yet replicated when the master died",
                    outcomes.checked, outcomes.wrong, outcomes.lost),
        "each outcome as its caller was told, no write twice");
}

StepResult old_master_follows(Demo& demo, const NodeLoss& loss) {
    const TimePoint begin = Clock::now();
    demo.cluster->node(loss.old).restart();
    demo.cluster->wait_until_whole(patience);
    const double elapsed = milliseconds(Clock::now() - begin);
    ProjectIsolatedRedisClient alpha = demo.project(demo.alpha);
    ProjectIsolatedRedisClient beta = demo.project(demo.beta);
    alpha.set("user_data", "of alpha, after the failover");
    beta.set("user_data", "of beta, after the failover");
    const std::optional<std::string> of_alpha = alpha.get("user_data");
    const std::optional<std::string> of_beta = beta.get("user_data");
    return StepResult::check(
        of_alpha == "of alpha, after the failover" && of_beta == "of beta, after the failover",
        fmt::format("a replica, and the Cluster whole, {:.0f} ms after its restart; the two projects read \"{}\" and "
                    "\"{}\" under one name",
                    elapsed, of_alpha.value_or("nil"), of_beta.value_or("nil")),
        "each project reads what it has just written");
}

/// With keys of the other kind there it is refused; else its transactions may use any keys of the project.
StepResult kept_together(Demo& demo) {
    RedisServiceConfig config = demo.config;
    config.key_colocation = true;
    std::string refused;
    try {
        RedisService(config).initialize();
        return StepResult::failed("RedisConfigurationException beside spread keys", "a service was initialised");
    } catch (const RedisConfigurationException&) {
        refused = "refused where other services spread their keys";
    }
    for (const EmbeddedServer* const server : demo.own_masters()) ask_server(*server, {"FLUSHALL"});
    RedisService service(config);
    service.initialize();
    const ProjectIsolatedRedisClient redis = service.get_connection(demo.alpha);
    const auto [one, other] = two_keys(demo.alpha);
    const auto done = redis.transaction().set(one, "1").incr(one).set(other, "2").execute();
    redis.rename(other, "sold");
    std::vector<std::string> names;
    std::size_t masters = 0;
    for (const EmbeddedServer* const server : demo.own_masters()) {
        const std::vector<std::string> here = ask_server(*server, {"KEYS", fmt::format("proj:{{{}}}:*", demo.alpha)});
        names.insert(names.end(), here.begin(), here.end());
        if (!here.empty()) ++masters;
    }
    std::sort(names.begin(), names.end());
    service.close();
    return StepResult::check(done && std::get<1>(*done) == 2 && masters == 1 && names.size() == 2,
                             fmt::format("{}; on an empty Cluster MULTI and RENAME over {}, all at one master", refused,
                                         fmt::join(names, ", ")),
                             fmt::format("two keys proj:{{{}}}:..., both at one master", demo.alpha));
}

}  // namespace

void show_slots(Demo& demo) {
    demo.report.step("one command, keys at all masters", [&] { return many_keys(demo); });
    demo.report.step("refused across slots", [&] { return refused_across_slots(demo); });
}

void show_node_loss(Demo& demo) {
    NodeLoss loss;
    if (!demo.report.step("master killed in the middle of a job", [&] { return master_killed(demo, loss); })) return;
    demo.report.step("other slots served all the while", [&] { return others_served(loss); });
    demo.report.step("callers were told the truth", [&] { return outcomes_are_true(demo, loss); });
    demo.report.step("the old master comes back", [&] { return old_master_follows(demo, loss); });
}

void show_colocation(Demo& demo) {
    demo.report.step("a project's keys kept together", [&] { return kept_together(demo); });
}

}  // namespace redoubt::apps
