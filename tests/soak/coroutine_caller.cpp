// tests: the soak's callers that are coroutines; see the header.
#include <array>
#include <string_view>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "callers.hpp"

namespace redoubt::soak {

namespace asio = boost::asio;

namespace {

// Rare enough that most operations are what users do most, common enough for some thousand a second of each.
constexpr std::uint32_t one_cancelled_in = 40;
constexpr std::uint32_t one_parallel_in = 80;
constexpr std::uint32_t one_throwing_in = 16;

}  // namespace

asio::awaitable<void> CoroutineCaller::run() {
    Random& random = steps_.random();
    while (progress_.take()) {
        steps_.book().settle();
        if (random.one_in(one_parallel_in)) {
            steps_.expect_cancellation(true);
            co_await two_at_once();
        } else {
            cancelling_ = random.one_in(one_cancelled_in);
            steps_.expect_cancellation(cancelling_);
            if (cancelling_) cancel_at_a_random_moment();
            const Act act = steps_.next_act();
            if (steps_.has_options()) {
                co_await step(redis_.with(steps_.next_options()), act);
            } else if (act == Act::get && !cancelling_ && random.one_in(one_throwing_in)) {
                co_await throwing_get(steps_.any_slot());
            } else {
                co_await step(redis_, act);
            }
            cancelling_ = false;
        }
        ++call_;
        if (steps_.was_refused()) {
            pause_.expires_after(pause_after_refusal);
            boost::system::error_code ignored;
            co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
        }
    }
    canceller_.cancel();
}

template <class Reply, class Operation>
asio::awaitable<result<Reply>> CoroutineCaller::perform(Operation operation) {
    if (cancelling_) {
        co_return co_await std::move(operation)(asio::bind_cancellation_slot(signal_.slot(), asio::use_awaitable));
    }
    co_return co_await std::move(operation);
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): awaited at once
asio::awaitable<void> CoroutineCaller::step(const AsyncProjectRedisClient& redis, Act act) {
    switch (act) {
        case Act::get: {
            Register& slot = steps_.any_slot();
            const auto outcome = co_await perform<MaybeText>(redis.try_get(slot.key()));
            steps_.ended_get(slot, outcome);
            break;
        }
        case Act::set: {
            Register& slot = steps_.any_slot();
            const std::string value = slot.next_value();
            const auto outcome = co_await perform<bool>(redis.try_set(slot.key(), value));
            steps_.ended_set(slot, outcome);
            break;
        }
        case Act::incr: {
            const auto outcome = co_await perform<std::int64_t>(redis.try_incr(steps_.book().counter().key()));
            steps_.ended_incr(outcome);
            break;
        }
        case Act::get_counter: {
            const auto outcome = co_await perform<MaybeText>(redis.try_get(steps_.book().counter().key()));
            steps_.ended_get_counter(outcome);
            break;
        }
        default: co_await several(redis, act);
    }
}

// NOLINTNEXTLINE(cppcoreguidelines-avoid-reference-coroutine-parameters): awaited at once
asio::awaitable<void> CoroutineCaller::several(const AsyncProjectRedisClient& redis, Act act) {
    Book& book = steps_.book();
    if (act == Act::mget) {
        std::array<std::string_view, Book::slots> keys;
        for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = book.slot(i).key();
        const auto outcome =
            co_await perform<std::vector<MaybeText>>(redis.try_mget(std::span<const std::string_view>(keys)));
        steps_.ended_mget(outcome);
    } else if (act == Act::pipeline) {
        Register& slot = steps_.any_slot();
        Register& other = steps_.any_slot();
        const std::string value = slot.next_value();
        auto pipeline =
            redis.pipeline().set(slot.key(), value).incr(book.counter().key()).get(slot.key()).get(other.key());
        const auto outcome = co_await perform<Steps::PipelineReplies>(std::move(pipeline).try_execute());
        steps_.ended_pipeline(slot, other, outcome);
    } else if (act == Act::incr_batch) {
        auto batch = redis.batch<std::int64_t>();
        const std::size_t count = steps_.random().between(2, 30);
        for (std::size_t i = 0; i < count; ++i) batch.incr(book.counter().key());
        const auto outcome = co_await perform<Steps::BatchReplies>(std::move(batch).try_execute());
        steps_.ended_incr_batch(count, outcome);
    } else {
        auto batch = redis.batch<MaybeText>();
        const std::size_t count = steps_.random().between(2, 100);
        for (std::size_t i = 0; i < count; ++i) batch.get(book.slot(i % Book::slots).key());
        const auto outcome = co_await perform<Steps::GetBatchReplies>(std::move(batch).try_execute());
        steps_.ended_get_batch(count, outcome);
    }
}

asio::awaitable<void> CoroutineCaller::throwing_get(Register& slot) {
    result<MaybeText> outcome;
    try {
        outcome = co_await redis_.get(slot.key());
    } catch (const RedisException& failure) {
        outcome = failure.error();
    }
    steps_.ended_get(slot, outcome);
}

// Those that run beside each other: only a parallel group cancels them.
asio::awaitable<void> CoroutineCaller::get(Register& slot) {
    const auto outcome = co_await redis_.try_get(slot.key());
    steps_.ended_get(slot, outcome);
}
asio::awaitable<void> CoroutineCaller::set(Register& slot) {
    const std::string value = slot.next_value();
    const auto outcome = co_await redis_.try_set(slot.key(), value);
    steps_.ended_set(slot, outcome);
}
asio::awaitable<void> CoroutineCaller::incr() {
    const auto outcome = co_await redis_.try_incr(steps_.book().counter().key());
    steps_.ended_incr(outcome);
}
asio::awaitable<void> CoroutineCaller::time_out() {
    pause_.expires_after(std::chrono::microseconds(steps_.random().below(4000)));
    boost::system::error_code ignored;
    co_await pause_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

// The first to end cancels the other, which then tells how far it got. They use different keys, for the ledger knows no
// order between them.
asio::awaitable<void> CoroutineCaller::two_at_once() {
    using namespace asio::experimental::awaitable_operators;
    Book& book = steps_.book();
    const std::uint32_t first = steps_.random().below(Book::slots);
    Register& one = book.slot(first);
    Register& other = book.slot((first + 1) % Book::slots);
    switch (steps_.random().below(4)) {
        case 0: (void)co_await (get(one) || set(other)); break;
        case 1: (void)co_await (incr() || get(one)); break;
        case 2: (void)co_await (set(one) || time_out()); break;
        default: (void)co_await (incr() || time_out()); break;
    }
}

void CoroutineCaller::cancel_at_a_random_moment() {
    using asio::cancellation_type;
    constexpr std::array<cancellation_type, 4> types{cancellation_type::total, cancellation_type::partial,
                                                     cancellation_type::terminal, cancellation_type::all};
    const cancellation_type type = types[steps_.random().below(types.size())];
    if (steps_.random().one_in(2)) return cancel_after_turns(steps_.random().below(4), call_, type);
    // A round trip takes about this long under this load.
    canceller_.expires_after(std::chrono::microseconds(steps_.random().below(8000)));
    canceller_.async_wait([this, call = call_, type](const boost::system::error_code& stopped) {
        if (!stopped && call == call_) signal_.emit(type);
    });
}

// Turns of the loop: before the call is written, while it is, and soon after.
void CoroutineCaller::cancel_after_turns(std::uint32_t turns, std::uint64_t call, asio::cancellation_type type) {
    asio::post(loop_, [this, turns, call, type] {
        if (turns != 0) return cancel_after_turns(turns - 1, call, type);
        if (call == call_) signal_.emit(type);
    });
}

}  // namespace redoubt::soak
