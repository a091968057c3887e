// bench: a quiet project's GETs, one due each millisecond, while another project floods the same service: with pipelines of
// a million commands, with large replies, or with ten thousand callers. With the loud project's limits, and without them.
#include <atomic>
#include <functional>
#include <memory>
#include <thread>

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_future.hpp>

#include <redoubt/redoubt.hpp>

#include "support/cell.hpp"
#include "support/open_loop.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr std::size_t long_pipeline = 1'000'000;
constexpr std::size_t large_value = 1'000'000;
constexpr std::size_t many_callers = 10'000;
constexpr std::size_t large_callers = 8;

/// Calls that begin anew when they end, on the service's own loop: as many as there are callers. One that is refused comes
/// again when the refusal says so.
class Flood {
public:
    Flood(redoubt::ProjectIsolatedRedisClient redis, std::string key, std::size_t callers)
        : redis_(std::move(redis)), key_(std::move(key)), left_(callers), pauses_([this] { sleepers_.run(); }) {
        for (std::size_t i = 0; i != callers; ++i) next();
    }
    ~Flood() {
        work_.reset();
        pauses_.join();
    }
    void stop() {
        stopped_ = true;
        while (left_ != 0) std::this_thread::sleep_for(1ms);
    }
    std::uint64_t done() const { return done_; }
    std::uint64_t failed() const { return failed_; }

private:
    void next() {
        redis_.async().get(key_)([this](std::exception_ptr failed, const std::optional<std::string>&) {
            ++(failed ? failed_ : done_);
            if (stopped_) return static_cast<void>(--left_);
            failed ? come_again(failed) : next();
        });
    }
    void come_again(const std::exception_ptr& failed) {
        redoubt::Duration pause = 1ms;
        try {
            std::rethrow_exception(failed);
        } catch (const redoubt::RedisException& refusal) {
            pause = std::max<redoubt::Duration>(pause, refusal.error().retry_after);
        }
        // Not all of them at once.
        pause += std::chrono::microseconds(failed_ % 200'000);
        const auto timer = std::make_shared<asio::steady_timer>(sleepers_, pause);
        timer->async_wait(
            [this, timer](const boost::system::error_code&) { stopped_ ? static_cast<void>(--left_) : next(); });
    }

    redoubt::ProjectIsolatedRedisClient redis_;
    std::string key_;
    std::atomic<bool> stopped_{false};
    std::atomic<std::size_t> left_;
    std::atomic<std::uint64_t> done_{0};
    std::atomic<std::uint64_t> failed_{0};
    asio::io_context sleepers_;
    asio::executor_work_guard<asio::io_context::executor_type> work_ = asio::make_work_guard(sleepers_);
    std::thread pauses_;
};

redoubt::ProjectLimits limits_of_the_loud() {
    redoubt::ProjectLimits limits;
    limits.max_in_flight = 32;
    limits.max_connections = 3;
    limits.commands_per_second = 10'000;
    return limits;
}

void run(const Arguments& arguments) {
    const std::string with = arguments.text("with");
    if (with != "pipelines" && with != "large" && with != "callers") {
        throw std::invalid_argument("unknown flood: " + with);
    }
    redoubt::RedisServiceConfig config;
    config.url = arguments.text("url");
    config.operation_timeout = 1h;  // a pipeline of a million may have to wait for its turn by the rate
    config.attempt_timeout = 30s;
    config.max_waiting = 2 * many_callers;
    if (arguments.text("limits", "on") == "on") {
        config.limits_of_project = [](std::string_view project) {
            return project == "loud" ? limits_of_the_loud() : redoubt::ProjectLimits{};
        };
    }
    redoubt::RedisService service(config);
    service.initialize();
    const auto quiet = service.get_connection("quiet");
    const auto loud = service.get_connection("loud");
    quiet.set("key", std::string(small_value, 'q'));
    loud.set("key", std::string(with == "large" ? large_value : small_value, 'l'));

    const auto get = [&] {
        if (!quiet.async().get("key")(asio::use_future).get()) throw std::runtime_error("the key is gone");
    };
    const double seconds = std::max(arguments.number("seconds", 1), 1.0);
    (void)measure_due(get, 0.2);
    Measured alone = measure_due(get, seconds);

    std::atomic<bool> done{false};
    std::atomic<std::uint64_t> commands{0};
    std::unique_ptr<Flood> flood;
    std::thread pipelines;
    if (with == "pipelines") {
        pipelines = std::thread([&] {
            while (!done) {
                auto batch = loud.async().batch<std::optional<std::string>>();
                for (std::size_t i = 0; i != long_pipeline; ++i) batch.get("key");
                try {
                    commands += std::move(batch).execute()(asio::use_future).get().size();
                } catch (const redoubt::RedisConnectionException&) {
                    return;  // the service was closed while it waited
                }
            }
        });
    } else {
        flood = std::make_unique<Flood>(loud, "key", with == "large" ? large_callers : many_callers);
    }
    Measured beside = measure_due(get, seconds);
    done = true;
    if (flood) {
        flood->stop();
        commands = flood->done();
    }
    service.close();
    if (pipelines.joinable()) pipelines.join();
    if (commands == 0) throw std::runtime_error("the flood got nothing done");
    const double quiet_p99 = alone.quantile(0.99);
    std::printf(
        "{\"quiet_p50\":%.2f,\"quiet_p99\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"times\":%.3f,\"gets\":%zu,"
        "\"failed\":%zu,\"kops\":%.3f}\n",
        alone.quantile(0.50), quiet_p99, beside.quantile(0.50), beside.quantile(0.99), beside.quantile(1),
        beside.quantile(0.99) / std::max(quiet_p99, 0.01), beside.gets, alone.failed + beside.failed,
        static_cast<double>(commands.load()) / seconds / 1000);
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
