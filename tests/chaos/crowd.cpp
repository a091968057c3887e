// tests: all callers of the chaos; see the header.
#include "chaos/crowd.hpp"

#include <cstdio>
#include <cstdlib>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

namespace redoubt::chaos {

namespace asio = boost::asio;

namespace {
// Past its deadline a call may be late on a busy machine; after so long it is stuck.
constexpr Duration stuck_after = 15s;
}  // namespace

void Crowd::start(const ClientOf& client_of, std::function<void()> when_ended) {
    const std::uint32_t all = options_.coroutines + options_.threads;
    when_ended_ = std::move(when_ended);
    left_ = all;
    for (std::uint32_t i = 0; i < all; ++i) {
        callers_.push_back(std::make_unique<Caller>(world_, progress_, i, options_.seed, timeout_));
    }
    ready_ = true;
    for (std::uint32_t i = 0; i < options_.coroutines; ++i) {
        asio::co_spawn(loop_, callers_[i]->run(loop_, client_of(i).async()),
                       [this](const std::exception_ptr& failure) { one_ended(failure); });
    }
    for (std::uint32_t i = options_.coroutines; i < all; ++i) {
        threads_.emplace_back([this, i, client = client_of(i)] {
            std::exception_ptr failure;
            try {
                callers_[i]->run_blocking(client);
            } catch (...) {
                failure = std::current_exception();
            }
            asio::post(loop_, [this, failure] { one_ended(failure); });
        });
    }
}

void Crowd::join() {
    for (std::thread& thread : threads_) thread.join();
    threads_.clear();
}

void Crowd::one_ended(const std::exception_ptr& failure) {
    if (failure) ended_by(failure);
    if (--left_ == 0) when_ended_();
}

void Crowd::ended_by(const std::exception_ptr& failure) {
    try {
        std::rethrow_exception(failure);
    } catch (const std::exception& error) {
        progress_.deviation(std::string("ended by an exception: ") + error.what());
    }
    progress_.stop();
}

void Crowd::look_for_stuck() const {
    if (!ready_) return;
    const Tick now = world_.now();
    const Tick limit = std::chrono::nanoseconds(stuck_after).count();
    std::uint64_t stuck = 0;
    for (const auto& caller : callers_) {
        const Tick since = caller->busy_since();
        if (since != 0 && now - since > limit) ++stuck;
    }
    if (stuck == 0) return;
    fmt::print("seed {}: callers stuck: {}\n", options_.seed, stuck);
    std::fflush(nullptr);
    std::_Exit(1);  // they cannot be ended
}

Tally Crowd::tally() const {
    Tally all;
    for (const auto& caller : callers_) all.add(caller->tally());
    return all;
}

}  // namespace redoubt::chaos
