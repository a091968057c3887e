// tests: the soak: many callers, a real server, and a network that fails; every single reply is checked. `./dev soak`.
#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>
#include <spdlog/spdlog.h>
#include <CLI/CLI.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>

#include <redoubt/redoubt.hpp>

#include "support/fault_gate.hpp"
#include "support/load_server.hpp"
#include "support/losses.hpp"

#include "callers.hpp"
#include "network.hpp"

namespace redoubt::soak {
namespace {

namespace asio = boost::asio;

struct Options {
    std::uint64_t operations = 24'000'000;
    std::uint32_t callers = 1000;
    std::uint32_t threads = 4;
    std::uint64_t seed = 1;
    std::string server = "redis";
    std::string json;
    Sabotage sabotage = Sabotage::none;
    bool faults = true;
    unsigned patience = 30;
};

/// Ends the program when no operation ends any more.
class Watchdog {
public:
    Watchdog(const Progress& progress, std::chrono::seconds patience)
        : thread_([this, &progress, patience] {
              std::unique_lock lock(mutex_);
              std::uint64_t seen = 0;
              TimePoint moved = Clock::now();
              while (!wake_.wait_for(lock, std::chrono::milliseconds(200), [this] { return done_; })) {
                  const std::uint64_t ended = progress.operations_ended();
                  if (std::exchange(seen, ended) != ended) moved = Clock::now();
                  if (Clock::now() - moved < patience) continue;
                  fmt::print(stderr, "redoubt_soak: nothing has moved for {} s; {} operations had ended\n",
                             patience.count(), ended);
                  std::fflush(nullptr);
                  std::_Exit(1);
              }
          }) {}
    ~Watchdog() {
        {
            const std::lock_guard lock(mutex_);
            done_ = true;
        }
        wake_.notify_one();
        thread_.join();
    }
    Watchdog(const Watchdog&) = delete;
    Watchdog& operator=(const Watchdog&) = delete;

private:
    std::mutex mutex_;
    std::condition_variable wake_;
    bool done_ = false;
    std::thread thread_;
};

RedisServiceConfig make_config(std::string url) {
    RedisServiceConfig config;
    config.url = std::move(url);
    config.health_check_interval = Duration::zero();
    config.connection_timeout = 1s;
    config.operation_timeout = operation_timeout;
    config.attempt_timeout = 250ms;
    config.retry_delay = 2ms;
    config.retry_delay_max = 50ms;
    // Else one bad moment would be a minute of refusals.
    config.circuit_breaker.recovery_timeout = 50ms;
    config.circuit_breaker.success_threshold = 1;
    return config;
}

/// Past the gate, for what must not fail.
RedisServiceConfig direct_config(std::string url) {
    RedisServiceConfig config = make_config(std::move(url));
    config.connection_timeout = config.attempt_timeout = config.operation_timeout = 30s;
    return config;
}

/// Writes behind the callers' backs, past the gate: the soak must find out.
class Vandal {
public:
    Vandal(const Options& options, const std::string& url) {
        if (options.sabotage != Sabotage::forget && options.sabotage != Sabotage::twice) return;
        thread_ = std::thread([this, options, url] { run(options, url); });
    }
    ~Vandal() {
        stop_ = true;
        if (thread_.joinable()) thread_.join();
    }
    Vandal(const Vandal&) = delete;
    Vandal& operator=(const Vandal&) = delete;

private:
    void run(const Options& options, const std::string& url) {
        RedisService service(direct_config(url));
        service.initialize();
        testing::Random random(options.seed);
        while (!stop_) {
            const std::uint32_t caller = random.below(options.callers);
            Book names(caller);
            const auto redis = service.get_connection(project_of(caller));
            if (options.sabotage == Sabotage::forget) (void)redis.try_del(names.slot(random.below(Book::slots)).key());
            if (options.sabotage == Sabotage::twice) (void)redis.try_incr(names.counter().key());
            std::this_thread::sleep_for(std::chrono::milliseconds(5));
        }
    }
    std::atomic<bool> stop_{false};
    std::thread thread_;
};

class Soak {
public:
    explicit Soak(const Options& options)
        : options_(options),
          server_(testing::start_load_server(options.server, false)),
          progress_(options.operations, [this] { return a_fault_is_missing(); }),
          gate_(std::in_place, gate_options()),
          loop_(1),
          service_(loop_, make_config(gate_->url())) {}

    bool run() {
        service_.set_telemetry(losses_);
        start_service();
        const Watchdog watchdog(progress_, std::chrono::seconds(options_.patience));
        begin_ = Clock::now();
        {
            const Vandal vandal(options_, server_.url());
            start_coroutines();
            start_threads();
            loop_.run();
            for (std::thread& thread : threads_) thread.join();
        }
        const double seconds = std::chrono::duration<double>(Clock::now() - begin_).count();
        const Summary counted = summarise(seconds);
        gate_.reset();  // what it held back has reached the server, or never will
        Summary summary = counted;
        summary.keys_checked = check_what_is_stored();
        summary.deviations = progress_.deviations();
        report(summary);
        return summary.deviations == 0 && summary.tally.operations - summary.tally.refused() >= options_.operations;
    }

private:
    testing::FaultGateOptions gate_options() const {
        testing::FaultGateOptions given;
        given.server_socket = server_.socket_path();
        if (options_.faults) given.plan = network_plan();
        given.seed = options_.seed;
        given.swap_replies = options_.sabotage == Sabotage::swap;
        return given;
    }
    // A fast machine would be done before the network had failed in every way; each comes within two seconds or so.
    bool a_fault_is_missing() const {
        if (!options_.faults || Clock::now() - begin_ > 30s) return false;
        for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
            if (gate_->injected(static_cast<testing::FaultKind>(i)) == 0) return true;
        }
        return false;
    }
    // The network fails from the first moment on.
    void start_service() {
        for (int attempt = 1;; ++attempt) {
            try {
                return service_.initialize();
            } catch (const RedisException&) {
                if (attempt == 50) throw;
            }
        }
    }
    void start_coroutines() {
        for (std::uint32_t i = 0; i < options_.callers; ++i) {
            coroutines_.push_back(std::make_unique<CoroutineCaller>(loop_, service_.get_connection(project_of(i)), i,
                                                                    options_.seed, progress_, loop_tally_));
        }
        left_ = options_.callers;
        for (const auto& caller : coroutines_) {
            asio::co_spawn(loop_, caller->run(), [this](std::exception_ptr failure) {
                if (failure) broken(failure);
                if (--left_ == 0 && options_.sabotage != Sabotage::stall) one_part_ended();
            });
        }
    }
    void start_threads() {
        thread_tallies_.resize(options_.threads);
        parts_left_ = options_.threads + 1;
        for (std::uint32_t i = 0; i < options_.threads; ++i) {
            const std::uint32_t caller = options_.callers + i;
            blocking_.push_back(std::make_unique<Steps>(caller, options_.seed, progress_, thread_tallies_[i]));
        }
        for (const auto& steps : blocking_) {
            threads_.emplace_back([this, caller = steps.get()] {
                try {
                    run_blocking(service_.get_connection(project_of(caller->caller())), *caller, progress_);
                } catch (...) {
                    broken(std::current_exception());
                }
                asio::post(loop_, [this] { one_part_ended(); });
            });
        }
    }
    // The service's connections are work of the loop; after close it runs out.
    void one_part_ended() {
        if (--parts_left_ == 0) service_.close();
    }
    void broken(const std::exception_ptr& failure) {
        try {
            std::rethrow_exception(failure);
        } catch (const std::exception& error) {
            progress_.deviation(std::string("a caller ended by an exception: ") + error.what());
        }
        progress_.give_up();
    }

    /// Every key of every caller, read past the gate.
    std::uint64_t check_what_is_stored() {
        RedisService direct(direct_config(server_.url()));
        direct.initialize();
        const Tally before = loop_tally_;
        std::uint64_t keys = 0;
        const auto check = [&](Steps& steps) {
            const auto redis = direct.get_connection(project_of(steps.caller()));
            Book& book = steps.book();
            for (std::size_t i = 0; i < Book::slots; ++i) {
                steps.ended_get(book.slot(i), redis.try_get(book.slot(i).key()));
            }
            steps.ended_get_counter(redis.try_get(book.counter().key()));
            keys += Book::slots + 1;
        };
        for (const auto& caller : coroutines_) check(caller->steps());
        for (const auto& steps : blocking_) check(*steps);
        direct.close();
        if (loop_tally_.ok - before.ok != options_.callers * (Book::slots + 1)) {
            progress_.deviation("at the end, the server itself did not answer every question");
        }
        return keys;
    }

    Summary summarise(double seconds) const {
        Summary summary;
        summary.server = server_.version();
        summary.seed = options_.seed;
        summary.callers = options_.callers;
        summary.threads = options_.threads;
        summary.tally = loop_tally_;
        for (const Tally& tally : thread_tallies_) summary.tally.add(tally);
        summary.wires_lost = losses_->wires;
        summary.breaker_opened = losses_->opened;
        for (std::size_t i = 0; i < testing::fault_kinds; ++i) {
            summary.faults[i] = gate_->injected(static_cast<testing::FaultKind>(i));
        }
        summary.seconds = seconds;
        rusage usage{};
        ::getrusage(RUSAGE_SELF, &usage);
        summary.peak_rss_mb = static_cast<double>(usage.ru_maxrss) / 1024;
        return summary;
    }
    void report(const Summary& summary) const {
        print(std::cout, summary);
        if (options_.json.empty()) return;
        std::ofstream file(options_.json);
        file << to_json(summary) << '\n';
        if (!file.flush()) throw std::runtime_error("cannot write " + options_.json);
    }

    Options options_;
    EmbeddedServer server_;
    TimePoint begin_;  // of the calls
    Progress progress_;
    std::optional<testing::FaultGate> gate_;
    asio::io_context loop_;
    std::shared_ptr<testing::Losses> losses_ = std::make_shared<testing::Losses>();
    RedisService service_;
    std::vector<std::unique_ptr<CoroutineCaller>> coroutines_;
    std::vector<std::unique_ptr<Steps>> blocking_;
    std::vector<std::thread> threads_;
    Tally loop_tally_;
    std::vector<Tally> thread_tallies_;
    std::uint32_t left_ = 0;
    std::uint32_t parts_left_ = 0;
};

}  // namespace
}  // namespace redoubt::soak

int main(int count, char** words) {
    using redoubt::soak::Sabotage;
    redoubt::soak::Options options;
    const std::map<std::string, Sabotage> sabotages{{"none", Sabotage::none},
                                                    {"swap", Sabotage::swap},
                                                    {"forget", Sabotage::forget},
                                                    {"twice", Sabotage::twice},
                                                    {"stall", Sabotage::stall}};
    CLI::App app("Checks every reply of many callers while the network fails at random");
    app.add_option("operations", options.operations,
                   "calls, of all callers together, at the least: each kind of fault is waited for")
        ->capture_default_str();
    app.add_option("--callers", options.callers, "coroutines")->check(CLI::Range(1, 100'000))->capture_default_str();
    app.add_option("--threads", options.threads, "blocking callers beside them")->check(CLI::Range(0, 256));
    app.add_option("--seed", options.seed, "of everything random");
    app.add_option("--server", options.server, "redis, valkey, or a program");
    app.add_option("--json", options.json, "also write the outcome to this file");
    app.add_option("--patience", options.patience, "seconds without progress that end it");
    app.add_flag("!--no-faults", options.faults, "the gate only relays");
    app.add_option("--sabotage", options.sabotage, "break something on purpose: it must then fail")
        ->transform(CLI::CheckedTransformer(sabotages));
    CLI11_PARSE(app, count, words);
    // Every lost wire is a line of the library's log, which says nothing here that is not counted.
    spdlog::set_level(spdlog::level::err);
    try {
        redoubt::soak::Soak soak(options);
        return soak.run() ? 0 : 1;
    } catch (const std::exception& error) {
        std::cerr << "redoubt_soak: " << error.what() << '\n';
        return 1;
    }
}
