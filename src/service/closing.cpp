// service: closing; see the header.
#include "service/closing.hpp"

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include "dispatch/dispatcher.hpp"

namespace redoubt::service {
namespace {

using Projects = std::vector<std::shared_ptr<isolation::Project>>;

// How long a handler may hold a loop up before its calls are left to whoever ends the loop.
constexpr auto patience = std::chrono::seconds(2);
// How often to look whether all calls have ended: soon first, because most take no longer than that.
constexpr Duration first_look = std::chrono::milliseconds(1);
constexpr Duration longest_look = std::chrono::milliseconds(20);

/// Counts the lanes that are closed.
class Count {
public:
    explicit Count(std::size_t lanes) : left_(lanes) {}
    void one_less() {
        const std::lock_guard lock(mutex_);
        --left_;
        changed_.notify_all();
    }
    void wait_until(TimePoint time) {
        std::unique_lock lock(mutex_);
        changed_.wait_until(lock, time, [&] { return left_ == 0; });
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::size_t left_;
};

template <class Visit>
void for_each_pool(const Projects& projects, const Visit& visit) {
    for (const auto& project : projects) project->dispatcher().router().for_each_pool(visit);
}

bool has_blocking_calls(const Projects& projects) {
    bool busy = false;
    for_each_pool(projects, [&](pool::Pool& pool) { busy = busy || pool.is_busy(); });
    return busy;
}

/// Of one lane, on that lane: the async calls of its projects, which it keeps until then.
class LaneClosing : public std::enable_shared_from_this<LaneClosing> {
public:
    LaneClosing(const RedisConnectionFactory::Lane& lane, Projects projects, TimePoint until,
                std::shared_ptr<Count> count, Projects blocking, std::function<void()> stop_dials)
        : keeper_(lane.keeper),
          timer_(lane.executor),
          projects_(std::move(projects)),
          until_(until),
          count_(std::move(count)),
          blocking_(std::move(blocking)),
          stop_dials_(std::move(stop_dials)) {}
    // The loop was destroyed before: nobody will ever run the handlers of the calls that are left.
    ~LaneClosing() {
        if (ended_) return;
        for (const auto& project : projects_) project->dispatcher().abandon_async();
        end_blocking();
        count_->one_less();
    }

    void begin() {
        for (const auto& project : projects_) {
            project->dispatcher().stop_async_intake(dispatch::service_closed_error());
        }
        look();
    }

private:
    void look() {
        const bool busy = has_blocking_calls(blocking_) ||
                          std::any_of(projects_.begin(), projects_.end(),
                                      [](const auto& project) { return project->dispatcher().is_busy_async(); });
        const TimePoint now = Clock::now();
        if (!busy || now >= until_) return end();
        timer_.expires_at(std::min(until_, now + pause_));
        pause_ = std::min(pause_ * 2, longest_look);
        timer_.async_wait([self = shared_from_this()](const boost::system::error_code&) { self->look(); });
    }
    void end() {
        for (const auto& project : projects_) project->dispatcher().close_async(dispatch::service_closed_error());
        end_blocking();
        ended_ = true;
        count_->one_less();
    }

    void end_blocking() {
        if (blocking_.empty()) return;
        stop_dials_();
        for_each_pool(blocking_, [](pool::Pool& pool) { pool.close(dispatch::service_closed_error()); });
    }

    std::shared_ptr<void> keeper_;  // first: the loop goes last
    boost::asio::steady_timer timer_;
    Projects projects_;
    TimePoint until_;
    std::shared_ptr<Count> count_;
    Projects blocking_;  // whose blocking calls are waited for here, too
    std::function<void()> stop_dials_;
    Duration pause_ = first_look;
    bool ended_ = false;
};

void drain_blocking(const Projects& projects, TimePoint until) {
    for (Duration pause = first_look; has_blocking_calls(projects); pause = std::min(pause * 2, longest_look)) {
        const TimePoint now = Clock::now();
        if (now >= until) return;
        std::this_thread::sleep_until(std::min(until, now + pause));
    }
}

}  // namespace

void close_projects(const Projects& projects, const std::vector<RedisConnectionFactory::Lane>& lanes, Duration drain,
                    const std::function<void()>& stop_dials) {
    const TimePoint until = Clock::now() + drain;
    const Error reason = dispatch::service_closed_error();
    for (const auto& project : projects) project->dispatcher().refuse_foreign_starts();
    for_each_pool(projects, [&](pool::Pool& pool) { pool.stop_intake(reason); });

    // A thread that runs a loop must not hold it up: then the loop waits for the blocking calls, too.
    bool on_lane = false;
    bool all_own = true;
    for (const auto& lane : lanes) {
        on_lane = on_lane || lane.executor.running_in_this_thread();
        all_own = all_own && lane.keeper != nullptr;
    }
    const auto count = std::make_shared<Count>(lanes.size());
    for (const auto& lane : lanes) {
        Projects here;
        std::copy_if(projects.begin(), projects.end(), std::back_inserter(here),
                     [&](const auto& project) { return project->dispatcher().lane() == lane.executor; });
        const bool for_all = on_lane && &lane == &lanes.front();
        const auto closing = std::make_shared<LaneClosing>(lane, std::move(here), until, count,
                                                           for_all ? projects : Projects(), stop_dials);
        boost::asio::post(lane.executor, [closing] { closing->begin(); });
    }
    if (on_lane) return;
    drain_blocking(projects, until);
    stop_dials();
    // Both had the same time. A lane whose loop a handler holds up is left to whoever ends the loop.
    if (all_own) count->wait_until(until + patience);
    for_each_pool(projects, [&](pool::Pool& pool) { pool.close(reason); });
}

}  // namespace redoubt::service
