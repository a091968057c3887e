// connection: the blocking wire under random schedules: whatever the peer, the deadlines and the queue do, each caller
// gets its own answer or an error, and a thread's calls never overtake each other.
#include <atomic>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/blocking_wire_fixture.hpp"

namespace redoubt::connection {
namespace {

using testing::bulk;
using testing::Call;
using testing::closing;
using testing::long_time;
using testing::settings_with;

using Random = std::mt19937;
int pick(Random& random, int from, int to) { return std::uniform_int_distribution<int>(from, to)(random); }

constexpr int threads = 12;
constexpr int calls_each = 120;

/// Answers each `<thread.sequence>`, in pieces of random size with random pauses; hangs up after so many, if told.
class MoodyPeer {
public:
    MoodyPeer(testing::PeerSocket socket, unsigned seed, int answers_left)
        : socket_(std::move(socket)), thread_([this, seed, answers_left] { run(seed, answers_left); }) {}
    ~MoodyPeer() {
        socket_.hang_up();
        thread_.join();
    }
    MoodyPeer(const MoodyPeer&) = delete;
    MoodyPeer& operator=(const MoodyPeer&) = delete;
    bool in_order() const { return in_order_; }

private:
    void run(unsigned seed, int answers_left) {
        Random random(seed);
        std::string input, output;
        std::map<int, int> last;
        char buffer[4096];
        for (;;) {
            // A pause is a wait for more input: as long as it lasts, nothing is answered.
            pollfd state{socket_.fd(), POLLIN, 0};
            const bool more = ::poll(&state, 1, output.empty() ? -1 : pick(random, 0, 20) == 0 ? 1 : 0) > 0;
            if (more) {
                const auto most = static_cast<std::size_t>(pick(random, 1, sizeof buffer));
                const ssize_t got = ::recv(socket_.fd(), buffer, most, 0);
                if (got < 0 && errno == EINTR) continue;
                if (got <= 0) return;
                input.append(buffer, static_cast<std::size_t>(got));
            }
            for (std::size_t end = input.find('>'); end != std::string::npos; end = input.find('>')) {
                const std::string name = input.substr(1, end - 1);
                input.erase(0, end + 1);
                const int thread = std::stoi(name), sequence = std::stoi(name.substr(name.find('.') + 1));
                const auto [entry, is_new] = last.try_emplace(thread, sequence);
                if (!is_new && sequence <= entry->second) in_order_ = false;
                entry->second = sequence;
                output += bulk(name);
                if (--answers_left == 0) return socket_.hang_up();
            }
            const auto some = static_cast<std::size_t>(pick(random, 0, 200));
            if (!socket_.write(output.substr(0, some))) return;
            output.erase(0, some);
        }
    }

    testing::PeerSocket socket_;
    std::atomic<bool> in_order_{true};
    std::thread thread_;
};

class BlockingRandomTest : public testing::BlockingWireFixture, public ::testing::WithParamInterface<unsigned> {};

TEST_P(BlockingRandomTest, EachCallerGetsItsOwnAnswerOrAnError) {
    Random random(GetParam());
    WireSettings settings = settings_with();
    if (pick(random, 0, 1) == 0) settings.queue_limits.max_commands = static_cast<std::size_t>(pick(random, 1, 8));
    if (pick(random, 0, 1) == 0)
        settings.queue_limits.max_pending_bytes = static_cast<std::size_t>(pick(random, 1, 50));
    if (pick(random, 0, 2) == 0) settings.busy_poll = std::chrono::microseconds(pick(random, 1, 200));
    const bool hangs_up = pick(random, 0, 3) == 0, closes = !hangs_up && pick(random, 0, 3) == 0;
    const bool hasty = pick(random, 0, 2) != 0;
    const int end_after = pick(random, 1, threads * calls_each / 2);

    BlockingWire wire(listener_.connect(), settings);
    MoodyPeer peer(listener_.accept(), GetParam(), hangs_up ? end_after : 0);
    std::atomic<int> answered{0}, failed{0}, refused{0};
    {
        std::vector<std::jthread> callers;
        for (int t = 0; t != threads; ++t) {
            callers.emplace_back([&, t, seed = random()] {
                Random own(static_cast<unsigned>(seed));
                for (int i = 0; i != calls_each; ++i) {
                    const std::string name = std::to_string(t) + "." + std::to_string(i);
                    const bool short_lived = hasty && pick(own, 0, 2) == 0;
                    const Duration time =
                        short_lived ? Duration(std::chrono::microseconds(pick(own, 0, 2000))) : long_time;
                    Call call(name, time);
                    const bool ran = wire.run(call, Clock::now());
                    EXPECT_TRUE(call.answer.empty() || call.answer == bulk(name)) << call.answer;
                    EXPECT_EQ(ran && !call.error(), !call.answer.empty());
                    if (!ran) {
                        ++refused;
                    } else if (call.error()) {
                        ++failed;
                        EXPECT_TRUE(hangs_up || closes || short_lived) << call.error()->message();
                    } else if (++answered == end_after && closes) {
                        wire.close(closing());
                    }
                }
            });
        }
    }
    EXPECT_EQ(answered + failed + refused, threads * calls_each);
    EXPECT_TRUE(peer.in_order());
    EXPECT_EQ(wire.waiting(), 0u);
    if (hangs_up || closes) {
        EXPECT_EQ(wire.in_flight(), 0u);
        return;
    }
    EXPECT_EQ(refused, 0);
    EXPECT_TRUE(wire.is_open());
    // The queue is whole: the answers to all that was given up are swallowed, and the next one's is its own.
    const std::string name = "0." + std::to_string(calls_each);
    Call last(name);
    EXPECT_TRUE(wire.run(last, Clock::now()));
    EXPECT_EQ(last.answer, bulk(name));
    EXPECT_EQ(wire.in_flight(), 0u);
}

INSTANTIATE_TEST_SUITE_P(Seeds, BlockingRandomTest, ::testing::Range(0u, 24u));

}  // namespace
}  // namespace redoubt::connection
