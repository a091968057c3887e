// tests: the callers of a migration; see the header.
#include "callers.hpp"

#include <thread>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace redoubt::migration {

namespace asio = boost::asio;

namespace {

template <class Client>
auto pipeline_of(const Client& redis, Steps& steps) {
    return redis.pipeline()
        .incr(steps.key(0))
        .set(steps.key(1), steps.value(1))
        .get(steps.key(2))
        .incr(steps.key(3))
        .get(steps.key(4))
        .set(steps.key(5), steps.value(5));
}

template <class Batch>
Batch batch_of(Batch batch, Steps& steps) {
    for (const std::string_view key : steps.keys()) batch.incr(key);
    return batch;
}

template <class Transaction>
auto filled(Transaction transaction, Steps& steps) {
    return std::move(transaction).incr(steps.key(0)).set(steps.key(1), steps.value(1));
}

result<Steps::WatchedReplies> watched(const ProjectIsolatedRedisClient& redis, Steps& steps) {
    try {
        return filled(redis.transaction().watch(steps.key(1)), steps).try_execute();
    } catch (const RedisException& failure) {
        return failure.error();
    }
}

void step(const ProjectIsolatedRedisClient& redis, Steps& steps, Act act) {
    switch (act) {
        case Act::get: return steps.ended_get(redis.try_get(steps.key()));
        case Act::set: return steps.ended_set(redis.try_set(steps.key(), steps.value()));
        case Act::incr: return steps.ended_number(redis.try_incr(steps.key()));
        case Act::del: return steps.ended_number(redis.try_del(steps.key()));
        case Act::pipeline: return steps.ended_pipeline(pipeline_of(redis, steps).try_execute());
        case Act::incr_batch: return steps.ended_batch(batch_of(redis.batch<std::int64_t>(), steps).try_execute());
        case Act::mget: return steps.ended_mget(redis.try_mget(steps.keys()));
        case Act::mset: return steps.ended_mset(redis.try_mset(steps.pairs()));
        case Act::del_many: return steps.ended_number(redis.try_del(steps.keys()));
        case Act::exists: return steps.ended_number(redis.try_exists(steps.keys()));
        case Act::transaction:
            return steps.ended_transaction(filled(redis.transaction(), steps).get(steps.key(2)).try_execute());
        case Act::watched: return steps.ended_watched(watched(redis, steps));
    }
}

}  // namespace

asio::awaitable<void> CoroutineCaller::run() {
    while (!traffic_.stop.load(std::memory_order_relaxed)) {
        const Act act = steps_.next();
        pace_.made(steps_.commands());
        co_await step(act);
        if (!pace_.is_early()) continue;
        timer_.expires_at(pace_.due());
        boost::system::error_code ignored;
        co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> CoroutineCaller::step(Act act) {
    switch (act) {
        case Act::get: {
            const auto outcome = co_await redis_.try_get(steps_.key());
            co_return steps_.ended_get(outcome);
        }
        case Act::set: {
            const auto outcome = co_await redis_.try_set(steps_.key(), steps_.value());
            co_return steps_.ended_set(outcome);
        }
        case Act::incr: {
            const auto outcome = co_await redis_.try_incr(steps_.key());
            co_return steps_.ended_number(outcome);
        }
        case Act::del: {
            const auto outcome = co_await redis_.try_del(steps_.key());
            co_return steps_.ended_number(outcome);
        }
        case Act::pipeline: {
            auto pipeline = pipeline_of(redis_, steps_);
            const auto outcome = co_await std::move(pipeline).try_execute();
            co_return steps_.ended_pipeline(outcome);
        }
        case Act::incr_batch: {
            auto batch = batch_of(redis_.batch<std::int64_t>(), steps_);
            const auto outcome = co_await std::move(batch).try_execute();
            co_return steps_.ended_batch(outcome);
        }
        case Act::mget: {
            const auto outcome = co_await redis_.try_mget(steps_.keys());
            co_return steps_.ended_mget(outcome);
        }
        case Act::mset: {
            const auto outcome = co_await redis_.try_mset(steps_.pairs());
            co_return steps_.ended_mset(outcome);
        }
        case Act::del_many: {
            const auto outcome = co_await redis_.try_del(steps_.keys());
            co_return steps_.ended_number(outcome);
        }
        case Act::exists: {
            const auto outcome = co_await redis_.try_exists(steps_.keys());
            co_return steps_.ended_number(outcome);
        }
        case Act::transaction: {
            auto transaction = filled(redis_.transaction(), steps_).get(steps_.key(2));
            const auto outcome = co_await std::move(transaction).try_execute();
            co_return steps_.ended_transaction(outcome);
        }
        case Act::watched: co_return co_await watched();
    }
}

asio::awaitable<void> CoroutineCaller::watched() {
    auto watched = co_await redis_.try_watch(steps_.key(1));
    if (!watched) co_return steps_.ended_watched(watched.error());
    auto transaction = filled(redis_.transaction(std::move(*watched)), steps_);
    const auto outcome = co_await std::move(transaction).try_execute();
    steps_.ended_watched(outcome);
}

void run_blocking(const ProjectIsolatedRedisClient& redis, Steps& steps, Traffic& traffic, double commands_per_second) {
    Pace pace(commands_per_second);
    while (!traffic.stop.load(std::memory_order_relaxed)) {
        const Act act = steps.next();
        pace.made(steps.commands());
        step(redis, steps, act);
        if (pace.is_early()) std::this_thread::sleep_until(pace.due());
    }
}

}  // namespace redoubt::migration
