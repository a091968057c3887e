// tests: slots of a Cluster move between its masters, with their keys, while callers read and write them; each answer is
// checked, and afterwards each key. `./dev migration`.
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <iostream>
#include <memory>
#include <random>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <redoubt/redoubt.hpp>

#include <redoubt/embedded/embedded_cluster.hpp>

#include "embedded/questions.hpp"
#include "support/losses.hpp"

#include "callers.hpp"
#include "report.hpp"

namespace redoubt::migration {
namespace {

namespace asio = boost::asio;

struct Options {
    std::uint32_t slots = 1000;
    double rate = 22'000;
    bool any_rate = false;
    std::uint32_t coroutines = 64;
    std::uint32_t threads = 4;
    std::uint32_t keys = 20'000;
    std::size_t replicas = 1;
    double dwell_ms = 4;
    std::uint64_t seed = 0;
    std::string server = "redis";
    std::string json;
    bool sabotage = false;
};

constexpr std::size_t masters = 3;
constexpr Duration before_and_after = 1s;
constexpr std::size_t at_once = 500;  // commands that fill or check

/// Slots next to one another that go from each master to the next.
struct Leg {
    std::size_t from;
    std::size_t to;
    std::uint32_t first;
    std::uint32_t count;
    bool has(std::uint16_t slot) const { return slot >= first && slot < first + count; }
};

std::vector<Leg> legs_of(std::uint32_t slots) {
    std::vector<Leg> legs;
    for (std::size_t i = 0; i != masters; ++i) {
        const auto first = static_cast<std::uint32_t>(EmbeddedCluster::all_slots * i / masters);
        const auto count = static_cast<std::uint32_t>(slots * (i + 1) / masters - slots * i / masters);
        legs.push_back({i, (i + 1) % masters, first, count});
    }
    return legs;
}

EmbeddedCluster start_cluster(const Options& options) {
    EmbeddedClusterOptions given;
    const bool short_name = options.server == "redis" || options.server == "valkey";
    given.program = short_name ? options.server + "-server" : options.server;
    given.masters = masters;
    given.replicas = options.replicas;
    given.start_timeout = 60s;
    // A node that is only busy must not be taken for dead, and nothing may be evicted, which would look like a loss.
    given.node_timeout = 15s;
    given.extra_configuration = "maxmemory 0\nmaxmemory-policy noeviction\n";
    return EmbeddedCluster(given);
}

RedisServiceConfig config_for(const EmbeddedCluster& cluster) {
    RedisServiceConfig config;  // everything else as by default
    config.url = cluster.url();
    return config;
}

/// Runs on a thread of its own, until there is nothing more to do there.
class RunningLoop {
public:
    explicit RunningLoop(asio::io_context& loop)
        : loop_(loop), work_(loop.get_executor()), thread_([&loop] { loop.run(); }) {}
    ~RunningLoop() {
        work_.reset();
        if (std::uncaught_exceptions() != 0) loop_.stop();  // a service may not be closed
        thread_.join();
    }
    RunningLoop(const RunningLoop&) = delete;
    RunningLoop& operator=(const RunningLoop&) = delete;

private:
    asio::io_context& loop_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    std::thread thread_;
};

class Migration {
public:
    explicit Migration(const Options& options)
        : options_(options),
          legs_(legs_of(options.slots)),
          cluster_(start_cluster(options)),
          loop_(1),
          service_(loop_, config_for(cluster_)),
          direct_(config_for(cluster_)) {
        const std::uint32_t callers = options_.coroutines + options_.threads;
        // Of ten keys five are texts, three counters, and two and a half in groups of four.
        const std::size_t each = std::max<std::size_t>(options_.keys / callers, 40);
        const BookPlan plan{each * 3 / 10, each * 45 / 100, each / 16, [this](std::uint16_t slot) {
                                return std::any_of(legs_.begin(), legs_.end(),
                                                   [&](const Leg& leg) { return leg.has(slot); });
                            }};
        for (std::uint32_t i = 0; i != callers; ++i) {
            books_.push_back(std::make_unique<Book>(make_book(i, i % 2 == 0 ? "migration-a" : "migration-b", plan)));
            traffic_.add(*books_.back());
        }
        for (const auto& book : books_) steps_.push_back(std::make_unique<Steps>(*book, traffic_, options_.seed));
    }

    bool run() {
        service_.set_telemetry(losses_);
        {
            // The Cluster's map is found on the loop.
            const RunningLoop running(loop_);
            service_.initialize();
            direct_.initialize();
            fill();
            start_callers();
            move();
        }
        for (std::thread& thread : threads_) thread.join();
        if (failure_) std::rethrow_exception(failure_);
        cluster_.wait_until_whole();
        if (options_.sabotage) sabotage();
        summarise();
        print(std::cout, summary_);
        if (!options_.json.empty()) {
            std::ofstream file(options_.json);
            file << to_json(summary_) << '\n';
            if (!file.flush()) throw std::runtime_error("cannot write " + options_.json);
        }
        const bool enough = options_.any_rate || summary_.reached_what_was_offered();
        if (!enough) fmt::print("the offered rate was NOT REACHED\n");
        return enough && summary_.deviations == 0 && summary_.single_failures() == 0 &&
               summary_.slots == options_.slots;
    }

private:
    // One after the other through one service, which is not the one under test.
    void fill() {
        for (const auto& book : books_) {
            const ProjectIsolatedRedisClient redis = direct_.get_connection(book->project);
            for (std::size_t from = 0; from < book->all.size(); from += at_once) {
                auto counted = redis.batch<std::int64_t>();
                auto stored = redis.batch<bool>();
                std::vector<std::string> values;
                values.reserve(at_once);
                for (std::size_t i = from; i != std::min(from + at_once, book->all.size()); ++i) {
                    Entry& entry = *book->all[i];
                    const std::uint64_t version = entry.begin();
                    if (entry.kind() == Entry::Kind::counter) {
                        counted.incr(entry.key());
                    } else {
                        stored.set(entry.key(), values.emplace_back(entry.value(version, 20)));
                    }
                    entry.end(version, Fate::applied);
                }
                (void)std::move(counted).execute();
                (void)std::move(stored).execute();
            }
        }
    }
    void start_callers() {
        const double share = options_.rate / static_cast<double>(books_.size());
        left_ = options_.coroutines + options_.threads;
        for (std::uint32_t i = 0; i != options_.coroutines; ++i) {
            coroutines_.push_back(std::make_unique<CoroutineCaller>(loop_, service_.get_connection(books_[i]->project),
                                                                    *steps_[i], traffic_, share));
            asio::co_spawn(loop_, coroutines_.back()->run(),
                           [this](const std::exception_ptr& failure) { one_ended(failure); });
        }
        for (std::size_t i = options_.coroutines; i != books_.size(); ++i) {
            threads_.emplace_back([this, i, share] {
                std::exception_ptr failure;
                try {
                    run_blocking(service_.get_connection(books_[i]->project), *steps_[i], traffic_, share);
                } catch (...) {
                    failure = std::current_exception();
                }
                asio::post(loop_, [this, failure] { one_ended(failure); });
            });
        }
    }
    // On the loop. The service's connections are work of it; after close it runs out.
    void one_ended(const std::exception_ptr& failure) {
        if (failure && !failure_) failure_ = failure;
        if (failure) traffic_.stop = true;
        if (--left_ == 0) {
            for (const PoolSnapshot& pool : service_.metrics_snapshot().pools) summary_.retries += pool.retries;
            service_.close();
        }
    }
    void move() {
        try {
            std::this_thread::sleep_for(before_and_after);
            const ServerCounts counts = ask_servers();
            const std::uint64_t commands = traffic_.commands;
            const TimePoint begin = Clock::now();
            for (const Leg& leg : legs_) {
                for (std::uint32_t slot = leg.first; slot != leg.first + leg.count && !traffic_.stop; ++slot) {
                    traffic_.moving = slot;
                    cluster_.begin_move(slot, leg.from, leg.to);
                    // As long as a slot with many keys would be on its way.
                    std::this_thread::sleep_for(std::chrono::duration<double, std::milli>(options_.dwell_ms));
                    summary_.keys_moved += keys_in(slot, leg.from);
                    cluster_.end_move(slot, leg.from, leg.to);
                    ++summary_.slots;
                }
            }
            traffic_.moving = Traffic::no_slot;
            summary_.moving_seconds = std::chrono::duration<double>(Clock::now() - begin).count();
            summary_.reached = static_cast<double>(traffic_.commands - commands) / summary_.moving_seconds;
            std::this_thread::sleep_for(before_and_after);
            const ServerCounts after = ask_servers();
            summary_.counts = {after.moved - counts.moved, after.ask - counts.ask, after.try_again - counts.try_again,
                               after.evicted};
        } catch (...) {
            asio::post(loop_, [this, failure = std::current_exception()] {
                if (!failure_) failure_ = failure;
            });
        }
        traffic_.stop = true;
    }

    embedded::Place place(std::size_t node) { return {cluster_.node(node).socket_path(), {}}; }
    std::uint64_t keys_in(std::uint32_t slot, std::size_t node) {
        return std::stoull(embedded::ask_one(place(node), {"CLUSTER", "COUNTKEYSINSLOT", std::to_string(slot)}));
    }
    ServerCounts ask_servers() {
        ServerCounts counts;
        for (std::size_t i = 0; i != masters; ++i) {
            const std::string errors = embedded::ask_one(place(i), {"INFO", "errorstats"});
            const auto count = [&](std::string_view name) -> std::uint64_t {
                const std::string field = embedded::field_of(errors, fmt::format("errorstat_{}", name));
                return field.starts_with("count=") ? std::stoull(field.substr(6)) : 0;
            };
            counts.moved += count("MOVED");
            counts.ask += count("ASK");
            counts.try_again += count("TRYAGAIN");
            const std::string stats = embedded::ask_one(place(i), {"INFO", "stats"});
            counts.evicted += std::stoull(embedded::field_of(stats, "evicted_keys"));
        }
        return counts;
    }

    /// What is stored, past the service under test.
    void sabotage() {
        const Book& book = *books_.front();
        const ProjectIsolatedRedisClient redis = direct_.get_connection(book.project);
        redis.incr(book.counters[0]->key());
        redis.decr(book.counters[1]->key());
        redis.set(book.texts[0]->key(), "none of ours");
        const auto rewritten = std::find_if(book.texts.begin() + 1, book.texts.end(),
                                            [](const Entry* entry) { return entry->floor() > 1; });
        if (rewritten == book.texts.end()) throw std::runtime_error("no text was written twice");
        redis.set((*rewritten)->key(), (*rewritten)->value(1, 20));
        redis.set("nobody's", "1");
    }
    void check() {
        std::uint64_t there = 0;
        bool certain = true;
        for (const auto& book : books_) {
            const ProjectIsolatedRedisClient redis = direct_.get_connection(book->project);
            for (std::size_t from = 0; from < book->all.size(); from += at_once) {
                const std::size_t end = std::min(from + at_once, book->all.size());
                auto reads = redis.batch<MaybeText>();
                for (std::size_t i = from; i != end; ++i) reads.get(book->all[i]->key());
                const std::vector<MaybeText> seen = std::move(reads).execute();
                for (std::size_t i = from; i != end; ++i) {
                    const Entry& entry = *book->all[i];
                    const std::string deviation = entry.check(entry.floor(), seen[i - from]);
                    if (!deviation.empty()) traffic_.deviations.add("at the end: " + deviation);
                    certain = certain && entry.is_there();
                    there += entry.is_there().value_or(false) ? 1 : 0;
                    ++summary_.keys_checked;
                }
            }
        }
        // A key that stayed behind where its slot was would not be met by any of those reads.
        std::uint64_t stored = 0;
        for (std::size_t i = 0; i != masters; ++i) {
            stored += embedded::ask(place(i), {"KEYS", "proj:migration-*"}).size();
        }
        if (certain && stored != there) {
            traffic_.deviations.add(fmt::format("the masters have {} keys in place of {}", stored, there));
        }
        for (const Leg& leg : legs_) {
            if (leg.count != 0 && cluster_.owner_of(leg.first + leg.count - 1) != leg.to) {
                traffic_.deviations.add(fmt::format("slot {} is not where it was moved", leg.first + leg.count - 1));
            }
        }
        if (summary_.counts.evicted != 0) traffic_.deviations.add("keys were evicted");
    }
    void summarise() {
        check();
        direct_.close();
        summary_.server = cluster_.node(0).version();
        summary_.masters = masters;
        summary_.replicas = options_.replicas * masters;
        summary_.seed = options_.seed;
        summary_.coroutines = options_.coroutines;
        summary_.threads = options_.threads;
        summary_.offered = options_.rate;
        for (const auto& steps : steps_) summary_.tally += steps->tally();
        summary_.wires_lost = losses_->wires;
        summary_.breaker_opened = losses_->opened;
        summary_.deviations = traffic_.deviations.count();
    }

    const Options options_;
    const std::vector<Leg> legs_;
    EmbeddedCluster cluster_;
    asio::io_context loop_;
    std::shared_ptr<testing::Losses> losses_ = std::make_shared<testing::Losses>();
    RedisService service_;
    RedisService direct_;
    Traffic traffic_;
    std::vector<std::unique_ptr<Book>> books_;
    std::vector<std::unique_ptr<Steps>> steps_;
    std::vector<std::unique_ptr<CoroutineCaller>> coroutines_;
    std::vector<std::thread> threads_;
    std::uint32_t left_ = 0;
    std::exception_ptr failure_;
    Summary summary_;
};

}  // namespace
}  // namespace redoubt::migration

int main(int count, char** words) {
    redoubt::migration::Options options;
    options.seed = std::random_device{}() % 1'000'000;
    CLI::App app("Moves slots of a Cluster under load, and checks every answer and every key");
    app.add_option("slots", options.slots, "how many, a third of them from each master to the next")
        ->check(CLI::Range(1, 12'000))
        ->capture_default_str();
    app.add_option("--rate", options.rate, "commands a second, of all callers; 0: as fast as they are answered")
        ->check(CLI::Range(0.0, 1e7))
        ->capture_default_str();
    app.add_flag("--any-rate", options.any_rate, "a machine that does not reach the rate is no failure");
    app.add_option("--coroutines", options.coroutines)->check(CLI::Range(1, 10'000))->capture_default_str();
    app.add_option("--threads", options.threads, "blocking callers beside them")
        ->check(CLI::Range(0, 256))
        ->capture_default_str();
    app.add_option("--keys", options.keys, "of all callers; every second one is in a slot that moves")
        ->check(CLI::Range(1000, 10'000'000))
        ->capture_default_str();
    app.add_option("--replicas", options.replicas, "of each master")->check(CLI::Range(0, 3))->capture_default_str();
    app.add_option("--dwell", options.dwell_ms, "milliseconds for which each slot is served by two nodes, at the least")
        ->check(CLI::Range(0.0, 1000.0))
        ->capture_default_str();
    app.add_option("--seed", options.seed, "of what the callers do");
    app.add_option("--server", options.server, "redis, valkey, or a program");
    app.add_option("--json", options.json, "also write the outcome to this file");
    app.add_flag("--sabotage", options.sabotage, "change what is stored behind everybody's back: it must then fail");
    CLI11_PARSE(app, count, words);
    spdlog::set_level(spdlog::level::err);
    try {
        return redoubt::migration::Migration(options).run() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "redoubt_migration: " << error.what() << '\n';
        return 1;
    }
}
