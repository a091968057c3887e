// tests: the soak's callers that block; see the header.
#include <array>
#include <string_view>
#include <thread>

#include "callers.hpp"

namespace redoubt::soak {
namespace {

void several(const ProjectIsolatedRedisClient& redis, Steps& steps, Act act) {
    Book& book = steps.book();
    if (act == Act::mget) {
        std::array<std::string_view, Book::slots> keys;
        for (std::size_t i = 0; i < keys.size(); ++i) keys[i] = book.slot(i).key();
        steps.ended_mget(redis.try_mget(std::span<const std::string_view>(keys)));
    } else if (act == Act::pipeline) {
        Register& slot = steps.any_slot();
        Register& other = steps.any_slot();
        const std::string value = slot.next_value();
        auto pipeline =
            redis.pipeline().set(slot.key(), value).incr(book.counter().key()).get(slot.key()).get(other.key());
        steps.ended_pipeline(slot, other, std::move(pipeline).try_execute());
    } else if (act == Act::incr_batch) {
        auto batch = redis.batch<std::int64_t>();
        const std::size_t count = steps.random().between(2, 30);
        for (std::size_t i = 0; i < count; ++i) batch.incr(book.counter().key());
        steps.ended_incr_batch(count, std::move(batch).try_execute());
    } else {
        auto batch = redis.batch<MaybeText>();
        const std::size_t count = steps.random().between(2, 100);
        for (std::size_t i = 0; i < count; ++i) batch.get(book.slot(i % Book::slots).key());
        steps.ended_get_batch(count, std::move(batch).try_execute());
    }
}

void step(const ProjectIsolatedRedisClient& redis, Steps& steps, Act act) {
    switch (act) {
        case Act::get: {
            Register& slot = steps.any_slot();
            return steps.ended_get(slot, redis.try_get(slot.key()));
        }
        case Act::set: {
            Register& slot = steps.any_slot();
            const std::string value = slot.next_value();
            return steps.ended_set(slot, redis.try_set(slot.key(), value));
        }
        case Act::incr: return steps.ended_incr(redis.try_incr(steps.book().counter().key()));
        case Act::get_counter: return steps.ended_get_counter(redis.try_get(steps.book().counter().key()));
        default: return several(redis, steps, act);
    }
}

}  // namespace

void run_blocking(const ProjectIsolatedRedisClient& redis, Steps& steps, Progress& progress) {
    while (progress.take()) {
        steps.book().settle();
        const Act act = steps.next_act();
        if (steps.has_options()) {
            step(redis.with(steps.next_options()), steps, act);
        } else {
            step(redis, steps, act);
        }
        if (steps.was_refused()) std::this_thread::sleep_for(pause_after_refusal);
    }
}

}  // namespace redoubt::soak
