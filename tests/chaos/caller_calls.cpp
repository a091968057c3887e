// tests: the calls of the chaos, by coroutines and by blocking threads; see caller.hpp.
#include <thread>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "chaos/caller.hpp"

namespace redoubt::chaos {

namespace asio = boost::asio;

// Writes that may be repeated have keys of their own. Some calls have a short deadline, some are never tried again.
template <class Client>
Client Caller::with_options(const Client& redis) {
    CallOptions options;
    deadline_ = operation_timeout_;
    if (random_.one_in(8)) options.deadline = deadline_ = std::chrono::milliseconds(random_.between(1, 400));
    if (random_.one_in(8)) options.retries = random_.below(3);
    usual_ = !options.deadline && !options.retries;
    if (reg_ != nullptr && reg_->repeats()) options.retry_idempotent_writes = true;
    return redis.with(options);
}

// Coroutines -------------------------------------------------------------------------------------------------------

asio::awaitable<void> Caller::run(asio::io_context& loop, AsyncProjectRedisClient redis) {
    asio::steady_timer timer(loop);
    while (progress_.goes_on()) {
        const Act act = choose(false);
        choose_register(act);
        choose_id();
        AsyncProjectRedisClient client = with_options(redis);
        begin(act);
        co_await step(std::move(client), act);
        timer.expires_after(rest());
        boost::system::error_code ignored;
        co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
}

asio::awaitable<void> Caller::step(AsyncProjectRedisClient redis, Act act) {
    switch (act) {
        case Act::read: {
            // Not as `?:`: GCC 12 destroys the values of both branches.
            if (reg_->is_field()) {
                const auto outcome = co_await redis.try_hget(reg_->key(), reg_->field());
                ended_read(outcome);
            } else {
                const auto outcome = co_await redis.try_get(reg_->key());
                ended_read(outcome);
            }
            break;
        }
        case Act::write: {
            Fate fate{};
            if (reg_->is_field()) {
                const auto outcome = co_await redis.try_hset(reg_->key(), reg_->field(), value_);
                fate = count(outcome);
            } else {
                const auto outcome = co_await redis.try_set(reg_->key(), value_);
                fate = count(outcome);
            }
            ended_write(fate);
            break;
        }
        case Act::clear: {
            const auto outcome = co_await redis.try_del(reg_->key());
            ended_clear(outcome);
            break;
        }
        case Act::expire: {
            const auto outcome = co_await redis.try_pexpire(reg_->key(), time_to_live_);
            ended_expire(outcome);
            break;
        }
        case Act::incr: {
            const auto outcome = co_await redis.try_incr(counter_->key());
            ended_incr(outcome);
            break;
        }
        case Act::read_counter: {
            const auto outcome = co_await redis.try_get(counter_->key());
            ended_read_counter(outcome);
            break;
        }
        default: co_await several(std::move(redis), act);
    }
}

asio::awaitable<void> Caller::several(AsyncProjectRedisClient redis, Act act) {
    if (act == Act::set_nx) {
        id_key_ = World::unique_key(id_);
        SetOptions options;
        options.nx = true;
        const auto outcome = co_await redis.try_set(id_key_, id_text_, options);
        ended_set_nx(outcome);
    } else if (act == Act::push) {
        const auto outcome = co_await redis.try_lpush(world_.list_of(id_).key(), id_text_);
        ended_added(world_.list_of(id_), count(outcome));
    } else if (act == Act::xadd) {
        const auto outcome = co_await redis.try_xadd(world_.stream_of(id_).key(), "id", id_text_);
        ended_added(world_.stream_of(id_), count(outcome));
    } else if (act == Act::pipeline) {
        auto pipeline = redis.pipeline()
                            .incr(counter_->key())
                            .lpush(world_.list_of(id_).key(), id_text_)
                            .xadd(world_.stream_of(id_).key(), "id", id_text_)
                            .set(other_->key(), value_)
                            .get(other_->key());
        const result<PipelineReplies> outcome = co_await std::move(pipeline).try_execute();
        ended_pipeline(outcome);
    } else if (act == Act::read_many) {
        const auto outcome = co_await redis.try_mget(many_[0]->key(), many_[1]->key(), many_[2]->key());
        ended_read_many(outcome);
    } else if (act == Act::write_many) {
        const std::array<TextPair, 3> pairs{TextPair{many_[0]->key(), value_}, TextPair{many_[1]->key(), value_},
                                            TextPair{many_[2]->key(), value_}};
        const auto outcome = co_await redis.try_mset(pairs);
        ended_write_many(count(outcome));
    } else {
        id_key_ = World::transaction_key(id_);
        SetOptions options;
        options.nx = true;
        auto transaction = redis.transaction()
                               .lpush(world_.transaction_list_of(id_).key(), id_text_)
                               .set(id_key_, id_text_, options)
                               .incr(world_.transaction_counter(id_).key());
        const result<TransactionReplies> outcome = co_await std::move(transaction).try_execute();
        ended_transaction(outcome);
    }
}

// Threads ----------------------------------------------------------------------------------------------------------

void Caller::run_blocking(const ProjectIsolatedRedisClient& redis) {
    while (progress_.goes_on()) {
        const Act act = choose(true);
        choose_register(act);
        choose_id();
        const ProjectIsolatedRedisClient client = with_options(redis);
        begin(act);
        step(client, act);
        std::this_thread::sleep_for(rest());
    }
}

void Caller::step(const ProjectIsolatedRedisClient& redis, Act act) {
    switch (act) {
        case Act::read:
            return ended_read(reg_->is_field() ? redis.try_hget(reg_->key(), reg_->field())
                                               : redis.try_get(reg_->key()));
        case Act::write:
            return ended_write(reg_->is_field() ? count(redis.try_hset(reg_->key(), reg_->field(), value_))
                                                : count(redis.try_set(reg_->key(), value_)));
        case Act::clear: return ended_clear(redis.try_del(reg_->key()));
        case Act::expire: return ended_expire(redis.try_pexpire(reg_->key(), time_to_live_));
        case Act::incr: return ended_incr(redis.try_incr(counter_->key()));
        case Act::read_counter: return ended_read_counter(redis.try_get(counter_->key()));
        case Act::watched: return count_up_watched(redis);
        default: several(redis, act);
    }
}

void Caller::several(const ProjectIsolatedRedisClient& redis, Act act) {
    if (act == Act::set_nx) {
        id_key_ = World::unique_key(id_);
        ended_set_nx(redis.try_set(id_key_, id_text_, {.nx = true}));
    } else if (act == Act::push) {
        Ids& list = world_.list_of(id_);
        ended_added(list, count(redis.try_lpush(list.key(), id_text_)));
    } else if (act == Act::xadd) {
        Ids& stream = world_.stream_of(id_);
        ended_added(stream, count(redis.try_xadd(stream.key(), "id", id_text_)));
    } else if (act == Act::pipeline) {
        ended_pipeline(redis.pipeline()
                           .incr(counter_->key())
                           .lpush(world_.list_of(id_).key(), id_text_)
                           .xadd(world_.stream_of(id_).key(), "id", id_text_)
                           .set(other_->key(), value_)
                           .get(other_->key())
                           .try_execute());
    } else if (act == Act::read_many) {
        ended_read_many(redis.try_mget({many_[0]->key(), many_[1]->key(), many_[2]->key()}));
    } else if (act == Act::write_many) {
        ended_write_many(
            count(redis.try_mset({{many_[0]->key(), value_}, {many_[1]->key(), value_}, {many_[2]->key(), value_}})));
    } else {
        id_key_ = World::transaction_key(id_);
        ended_transaction(redis.transaction()
                              .lpush(world_.transaction_list_of(id_).key(), id_text_)
                              .set(id_key_, id_text_, {.nx = true})
                              .incr(world_.transaction_counter(id_).key())
                              .try_execute());
    }
}

// Three calls, each with the whole deadline. When WATCH holds what it promises, no two of them write the same number.
void Caller::count_up_watched(const ProjectIsolatedRedisClient& redis) {
    deadline_ *= 3;
    Counter& counter = world_.watched();
    const Tick began = world_.now();
    std::optional<Error> failed;
    try {
        auto transaction = redis.transaction().watch(counter.key());
        const result<MaybeText> value = redis.try_get(counter.key());
        if (value) {
            const std::int64_t next = Counter::number_of(*value) + 1;
            const auto outcome = std::move(transaction).set(counter.key(), std::to_string(next)).try_execute();
            const Span span{began, world_.now()};
            const Fate fate = testing::fate_of(outcome);
            const bool executed = outcome && outcome->has_value();
            counter.note([&](CounterHistory& history) {
                if (executed) history.incremented(span, Fate::applied, next);
                if (!outcome) history.incremented(span, fate, std::nullopt);
            });
            if (!outcome) failed = outcome.error();
        } else {
            failed = value.error();
        }
    } catch (const RedisException& failure) {
        failed = failure.error();
    }
    (void)end_call();
    (void)count(failed ? result<bool>(boost::system::in_place_error, *failed) : result<bool>(true), 3);
}

}  // namespace redoubt::chaos
