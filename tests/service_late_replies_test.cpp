// service: the reply of a call that was given up never reaches another: a million of them on wires that stay in use.
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;

constexpr std::size_t callers = 500;
constexpr std::size_t keys_each = 16;

std::string key_of(std::size_t caller, std::size_t key) { return std::to_string(caller) + "." + std::to_string(key); }

struct Counts {
    std::uint64_t cancelled_written = 0;
    std::uint64_t cancelled_unwritten = 0;
    std::uint64_t answered = 0;
    std::uint64_t wrong = 0;
};

/// Asks for one of its keys after the other, each with a value of its own, and gives most of the calls up: at once, or
/// when they are under way.
class Caller {
public:
    Caller(asio::io_context& loop, const ProjectIsolatedRedisClient& redis, std::size_t number, std::uint64_t wanted,
           Counts& counts)
        : loop_(loop), redis_(redis), number_(number), wanted_(wanted), counts_(counts), random_(number) {}

    void next() {
        if (counts_.cancelled_written >= wanted_) return;
        const std::string key = key_of(number_, ++asked_ % keys_each);
        const std::uint64_t call = asked_;
        redis_.async().get(key)(asio::bind_cancellation_slot(
            give_up_.slot(), [this, key](std::exception_ptr failed, const std::optional<std::string>& value) {
                end(failed, value == key);
            }));
        const std::uint32_t how = static_cast<std::uint32_t>(random_() % 8);
        // Later than the turn in which it is written; perhaps later than its answer.
        if (how != 0) give_up_in(how == 1 ? 0 : 1 + how / 4, call);
    }

private:
    void give_up_in(std::uint32_t turns, std::uint64_t call) {
        if (asked_ != call || ended_ == call) return;
        if (turns == 0) return give_up_.emit(asio::cancellation_type::terminal);
        asio::post(loop_, [this, turns, call] { give_up_in(turns - 1, call); });
    }
    void end(const std::exception_ptr& failed, bool right) {
        ended_ = asked_;
        if (!failed) {
            ++(right ? counts_.answered : counts_.wrong);
        } else {
            try {
                std::rethrow_exception(failed);
            } catch (const RedisCancelledException& gone) {
                ++(gone.certainty() == Certainty::unknown ? counts_.cancelled_written : counts_.cancelled_unwritten);
            } catch (const std::exception& other) {
                ADD_FAILURE() << other.what();
                return;
            }
        }
        next();
    }

    asio::io_context& loop_;
    const ProjectIsolatedRedisClient& redis_;
    std::size_t number_;
    std::uint64_t wanted_;
    Counts& counts_;
    std::minstd_rand random_;
    asio::cancellation_signal give_up_;
    std::uint64_t asked_ = 0;
    std::uint64_t ended_ = 0;
};

class LateReplies : public testing::LiveServiceTest {};

TEST_P(LateReplies, ReachNobody) {
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
    constexpr std::uint64_t wanted = 50'000;
#else
    constexpr std::uint64_t wanted = 1'000'000;
#endif
    asio::io_context loop;
    auto settings = config();
    settings.operation_timeout = 60s;
    settings.attempt_timeout = 60s;
    RedisService service(loop, settings);
    bool ready = false;
    asio::co_spawn(loop, service.async_initialize(), [&](std::exception_ptr failed) {
        ready = true;
        if (failed) std::rethrow_exception(failed);
    });
    testing::expect_soon(loop, [&] { return ready; });
    for (std::size_t caller = 0; caller != callers; ++caller) {
        for (std::size_t key = 0; key != keys_each; ++key) {
            const std::string name = key_of(caller, key);
            raw().command({"SET", "proj:alpha:" + name, name});
        }
    }
    const auto redis = service.get_connection("alpha");
    Counts counts;
    std::vector<std::unique_ptr<Caller>> all;
    for (std::size_t i = 0; i != callers; ++i) {
        all.push_back(std::make_unique<Caller>(loop, redis, i, wanted, counts));
        all.back()->next();
    }
    const TimePoint limit = Clock::now() + 120s;
    loop.restart();
    while (counts.cancelled_written < wanted && Clock::now() < limit && !HasFailure()) loop.run_for(100ms);
    EXPECT_GE(counts.cancelled_written, wanted);
    EXPECT_GT(counts.cancelled_unwritten, wanted / 100);
    EXPECT_GT(counts.answered, wanted / 100);
    EXPECT_EQ(counts.wrong, 0u);
    std::printf("%s: %llu given up when written, %llu before, %llu answered, %llu with another's reply\n",
                GetParam().c_str(), static_cast<unsigned long long>(counts.cancelled_written),
                static_cast<unsigned long long>(counts.cancelled_unwritten),
                static_cast<unsigned long long>(counts.answered), static_cast<unsigned long long>(counts.wrong));
    // Those that are still under way end first: their handlers are of this scope.
    service.close();
    testing::expect_runs_out(loop);
}
REDOUBT_BOTH_SERVERS(LateReplies);

}  // namespace
}  // namespace redoubt
