// bench: one caller's GETs while another caller of the same project does something large; and quiet, in the same run.
//
// Both callers are threads of their own, and so is the service's loop: what the measured caller waits for is the
// product and the server, never its own thread that is busy with the neighbour's values.
#include <atomic>
#include <thread>

#include <boost/asio/use_future.hpp>

#include <redoubt/redoubt.hpp>

#include "support/cell.hpp"
#include "support/open_loop.hpp"

namespace bench {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;

constexpr std::size_t large_value = 100'000'000;
constexpr std::size_t long_pipeline = 1'000'000;

/// The measured caller, or the neighbour: both block, or both use the async wires.
class Caller {
public:
    Caller(const redoubt::ProjectIsolatedRedisClient& redis, bool async) : redis_(redis), async_(async) {}

    std::optional<std::string> get(std::string_view key) const {
        return async_ ? redis_.async().get(key)(asio::use_future).get() : redis_.get(key);
    }
    void run_pipeline(std::size_t length, const std::string& key) const {
        const auto fill = [&](auto batch) {
            for (std::size_t i = 0; i < length; ++i) batch.get(key);
            return batch;
        };
        using Text = std::optional<std::string>;
        const std::vector<Text> values = async_ ? fill(redis_.async().batch<Text>()).execute()(asio::use_future).get()
                                                : fill(redis_.batch<Text>()).execute();
        if (values.size() != length || !values.back()) throw std::runtime_error("a pipeline without its values");
    }

private:
    redoubt::ProjectIsolatedRedisClient redis_;
    bool async_;
};

double peak_rss_mb() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    return static_cast<double>(usage.ru_maxrss) / 1024;
}

void run(const Arguments& arguments) {
    const std::string with = arguments.text("with");
    // A blocking command (BLPOP) belongs here too, once there are some.
    if (with != "large" && with != "pipelines") throw std::invalid_argument("unknown neighbour: " + with);
    const bool async = arguments.text("kind", "async") == "async";
    redoubt::RedisServiceConfig config;
    config.url = arguments.text("url");
    config.operation_timeout = 60s;
    config.attempt_timeout = 30s;
    redoubt::RedisService service(config);
    service.initialize();
    const auto redis = service.get_connection("bench");
    const std::string key = make_keys("key").front();
    const std::string large = "large";
    // Calls on one key keep their order, so the neighbour has keys of its own.
    const std::string pipeline_key = make_keys("key").back();
    if (with == "large") redis.set(large, std::string(large_value, 'l'));

    const Caller caller(redis, async);
    const auto get = [&] {
        if (!caller.get(key)) throw std::runtime_error("the key is gone");
    };
    (void)measure_due(get, 0.2);
    const double seconds = std::max(arguments.number("seconds", 1), 1.0);
    Measured quiet = measure_due(get, seconds);
    const double quiet_rss = peak_rss_mb();

    std::atomic<bool> done{false};
    std::atomic<int> rounds{0};
    std::atomic<int> failed_rounds{0};
    std::thread neighbour([&] {
        const Caller other(redis, async);
        while (!done) {
            try {
                if (with == "large" && other.get(large)->size() != large_value) std::abort();
                if (with == "pipelines") other.run_pipeline(long_pipeline, pipeline_key);
                ++rounds;
            } catch (const std::exception&) {
                ++failed_rounds;
            }
        }
    });
    Measured beside = measure_due(get, std::max(3 * seconds, 3.0));
    done = true;
    neighbour.join();
    if (with == "large") redis.del(large);
    service.close();
    if (rounds == 0) throw std::runtime_error("the neighbour got nothing done");
    const double quiet_p99 = quiet.quantile(0.99);
    std::printf(
        "{\"quiet_p50\":%.2f,\"quiet_p99\":%.2f,\"p50\":%.2f,\"p99\":%.2f,\"max\":%.2f,\"times\":%.3f,\"gets\":%zu,"
        "\"failed\":%zu,\"neighbour_rounds\":%d,\"neighbour_failed\":%d,\"quiet_rss_mb\":%.1f,\"rss_mb\":%.1f}\n",
        quiet.quantile(0.50), quiet_p99, beside.quantile(0.50), beside.quantile(0.99), beside.quantile(1),
        beside.quantile(0.99) / std::max(quiet_p99, 0.01), beside.gets, quiet.failed + beside.failed, rounds.load(),
        failed_rounds.load(), quiet_rss, peak_rss_mb());
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
