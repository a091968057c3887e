// tests: the server is killed and started again under 1,000 callers, many times: everybody has an answer in time, and no
// thread, descriptor or memory is left behind. `./dev chaos --cycles 100`.
#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <filesystem>
#include <fstream>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <malloc.h>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "chaos/caller.hpp"
#include "chaos/control.hpp"
#include "chaos/options.hpp"
#include "chaos/report.hpp"
#include "chaos/villain.hpp"

namespace redoubt::chaos {
namespace {

namespace asio = boost::asio;

constexpr std::uint32_t coroutines = 1000;
constexpr std::uint32_t threads = 32;
constexpr Duration deadline = 1s;
constexpr Duration patience = 30s;
constexpr Duration pause_after_refusal = 10ms;
// What is kept for speed (buffers, blocks) finds its size in the first cycles, and moves a little afterwards.
constexpr std::int64_t heap_allowance = 256 << 10;
// How many connections are open depends on the load of the moment. One that is lost in each cycle is more than this.
constexpr std::int64_t descriptor_allowance = 8;

struct Sample {
    std::int64_t threads = 0;
    std::int64_t descriptors = 0;
    std::int64_t heap = 0;  // bytes in use
};

Sample take_sample() {
    Sample sample;
    const auto entries = [](const char* folder) {
        return std::distance(std::filesystem::directory_iterator(folder), std::filesystem::directory_iterator());
    };
    sample.threads = entries("/proc/self/task");
    sample.descriptors = entries("/proc/self/fd");
    const struct mallinfo2 heap = ::mallinfo2();
    sample.heap = static_cast<std::int64_t>(heap.uordblks + heap.hblkhd);
    return sample;
}

/// Answers of all callers.
struct Answers {
    std::atomic<std::uint64_t> ok{0};
    std::atomic<std::uint64_t> failed{0};
    std::atomic<std::uint64_t> late{0};
    std::atomic<Duration::rep> latest{Duration::min().count()};

    template <class T>
    void note(const result<T>& outcome, Duration elapsed) {
        ++(outcome ? ok : failed);
        const Duration over = elapsed - deadline;
        if (over > lateness) ++late;
        Duration::rep seen = latest;
        while (seen < over.count() && !latest.compare_exchange_weak(seen, over.count())) continue;
    }
    std::uint64_t all() const noexcept { return ok + failed; }
};

class Cycles {
public:
    explicit Cycles(const Options& options)
        : options_(options),
          server_(start_server(options)),
          loop_(1),
          work_(loop_.get_executor()),
          service_(loop_, config(server_.url())) {
        service_.initialize();
        loop_thread_ = std::thread([this] { loop_.run(); });
        for (std::uint32_t i = 0; i < threads; ++i) {
            threads_.emplace_back([this] { be_a_thread(); });
        }
    }
    ~Cycles() {
        {
            const std::lock_guard lock(mutex_);
            ended_ = true;
        }
        changed_.notify_all();
        for (std::thread& thread : threads_) thread.join();
        service_.close();
        work_.reset();
        loop_thread_.join();
    }
    Cycles(const Cycles&) = delete;
    Cycles& operator=(const Cycles&) = delete;

    bool run() {
        Control control([] {});
        std::vector<Sample> samples;
        for (std::uint32_t i = 0; i < options_.cycles; ++i) {
            cycle();
            samples.push_back(take_sample());
        }
        return report(samples, control.latest_timer());
    }

private:
    static RedisServiceConfig config(std::string url) {
        RedisServiceConfig given = short_times(std::move(url));
        given.operation_timeout = deadline;
        return given;
    }
    void cycle() {
        begin_round();
        wait_for("all callers to call", [&, from = answers_.all()] { return answers_.all() >= from + 2 * callers; });
        const std::uint64_t failed = answers_.failed;
        server_.kill();
        wait_for("everybody to notice", [&] { return answers_.failed >= failed + callers; });
        server_.restart_without_waiting();
        const TimePoint answers = wait_for_pong(server_);
        wait_for("a success", [&, from = answers_.ok.load()] { return answers_.ok > from; });
        recoveries_.push_back(Clock::now() - answers);
        wait_for("all to go on", [&, from = answers_.ok.load()] { return answers_.ok >= from + callers; });
        end_round();
    }
    void begin_round() {
        {
            const std::lock_guard lock(mutex_);
            at_rest_ = 0;
            goes_on_ = true;
            ++round_;
        }
        changed_.notify_all();
        asio::post(loop_, [this] {
            for (std::uint32_t i = 0; i < coroutines; ++i) {
                asio::co_spawn(loop_, be_a_coroutine(), [this](const std::exception_ptr& failure) {
                    if (failure) std::rethrow_exception(failure);
                    rest();
                });
            }
        });
    }
    void end_round() {
        goes_on_ = false;
        wait_for("everybody's last answer", [&] {
            const std::lock_guard lock(mutex_);
            return at_rest_ == callers;
        });
    }
    void rest() {
        const std::lock_guard lock(mutex_);
        ++at_rest_;
    }
    template <class Condition>
    void wait_for(const char* what, Condition condition) {
        const TimePoint limit = Clock::now() + patience;
        while (!condition()) {
            if (Clock::now() > limit) throw std::runtime_error(fmt::format("waited in vain for {}", what));
            std::this_thread::sleep_for(std::chrono::microseconds(200));
        }
    }

    asio::awaitable<void> be_a_coroutine() {
        const auto redis = service_.get_connection("cycles").async();
        asio::steady_timer timer(loop_);
        while (goes_on_) {
            const TimePoint begin = Clock::now();
            const auto outcome = co_await redis.try_incr("n");
            answers_.note(outcome, Clock::now() - begin);
            if (outcome) continue;
            timer.expires_after(pause_after_refusal);
            boost::system::error_code ignored;
            co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
    }
    void be_a_thread() {
        const auto redis = service_.get_connection("cycles");
        for (std::uint64_t round = 0;;) {
            {
                std::unique_lock lock(mutex_);
                changed_.wait(lock, [&] { return ended_ || round_ != round; });
                if (ended_) return;
                round = round_;
            }
            while (goes_on_) {
                const TimePoint begin = Clock::now();
                const auto outcome = redis.try_incr("n");
                answers_.note(outcome, Clock::now() - begin);
                if (!outcome) std::this_thread::sleep_for(pause_after_refusal);
            }
            rest();
        }
    }

    bool report(const std::vector<Sample>& samples, Duration latest_timer) const {
        // A fifth of the cycles to find its size, the next as it is meant to be, the last to compare with.
        const std::size_t fifth = std::max<std::size_t>(samples.size() / 5, 1);
        const auto from = [&](std::size_t at) { return samples.begin() + static_cast<std::ptrdiff_t>(at); };
        const std::size_t warm = std::min(fifth, samples.size() - 1);
        bool grew = false;
        fmt::print("{}, {} cycles, {} coroutines and {} threads\n", server_.version(), samples.size(), coroutines,
                   threads);
        const auto compare = [&](const char* what, std::int64_t Sample::*field, std::int64_t allowance) {
            const auto less = [&](const Sample& a, const Sample& b) { return a.*field < b.*field; };
            const std::int64_t first = samples.front().*field;
            const std::int64_t before =
                *std::max_element(from(warm), from(std::min(warm + fifth, samples.size())), less).*field;
            const std::int64_t after = *std::min_element(from(samples.size() - fifth), samples.end(), less).*field;
            fmt::print("{:<32} {:>10} after the first, {:>10} warm, {:>10} at the end\n", what, first, before, after);
            grew |= after > before + allowance;
        };
        compare("threads", &Sample::threads, 0);
        compare("descriptors", &Sample::descriptors, descriptor_allowance);
        compare("heap in use, bytes", &Sample::heap, heap_allowance);
        fmt::print("{:<32} {:>10}\n{:<32} {:>10}\n", "answers: success", answers_.ok.load(), "answers: failure",
                   answers_.failed.load());
        fmt::print("{:<32} {:>10}\n", "answers over 50 ms past the deadline", answers_.late.load());
        const Duration latest = std::max(Duration(answers_.latest.load()), -deadline);
        fmt::print("{:<32} {:>10.1f} ms after the deadline\n", "latest answer", in_ms(latest));
        fmt::print("{:<32} {:>10.1f} ms\n", "latest timer of this machine", in_ms(latest_timer));
        fmt::print("{:<32} {:>10.1f} ms, worst {:.1f} ms\n", "recovery, median", in_ms(median(recoveries_)),
                   in_ms(*std::max_element(recoveries_.begin(), recoveries_.end())));
        if (grew) fmt::print("GROWTH\n");
        // Where the machine itself is late, nobody can be in time.
        const bool in_time = answers_.late == 0 || latest <= lateness + latest_timer;
        if (!in_time) fmt::print("LATE\n");
        return !grew && in_time;
    }

    static constexpr std::uint64_t callers = coroutines + threads;
    Options options_;
    EmbeddedServer server_;
    asio::io_context loop_;
    asio::executor_work_guard<asio::io_context::executor_type> work_;
    RedisService service_;
    std::thread loop_thread_;
    std::vector<std::thread> threads_;
    Answers answers_;
    std::vector<Duration> recoveries_;
    std::atomic<bool> goes_on_{false};
    std::mutex mutex_;
    std::condition_variable changed_;
    std::uint64_t round_ = 0;
    std::uint64_t at_rest_ = 0;
    bool ended_ = false;
};

}  // namespace

bool run_cycles(const Options& options) {
    ::mallopt(M_ARENA_MAX, 1);  // mallinfo2 tells of the first arena alone
    return Cycles(options).run();
}

}  // namespace redoubt::chaos
