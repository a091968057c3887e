// apps: demo: the job that goes on while a master dies; see the header.
#include "apps/demo_job.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/use_future.hpp>

#include "apps/demo.hpp"

namespace redoubt::apps {
namespace {

// A replica is a little behind its master; what was acknowledged longer before its end must be there.
constexpr Duration unreplicated = 1s;
// What the dead one had answered may reach its caller after it is gone.
constexpr Duration afterglow = 10ms;

}  // namespace

Writer::Writer(ProjectIsolatedRedisClient redis, std::string key, bool async)
    : redis_(std::move(redis)), key_(std::move(key)), async_(async), thread_([this] { run(); }) {}

void Writer::stop() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
}

void Writer::run() {
    while (!stop_) {
        const std::string number = std::to_string(writes_.size());
        const TimePoint began = Clock::now();
        const result<std::int64_t> outcome = async_
                                                 ? redis_.async().try_rpush(key_, number)(boost::asio::use_future).get()
                                                 : redis_.try_rpush(key_, number);
        const TimePoint ended = Clock::now();
        Write write{ended, ended - began, std::nullopt};
        if (outcome) {
            ++succeeded_;
        } else {
            write.failed = Write::Failure{outcome.error().kind, outcome.error().certainty};
            std::this_thread::sleep_for(1ms);  // what an open breaker refuses costs nothing
        }
        writes_.push_back(write);
    }
}

bool Job::each_writes(std::size_t more, Duration patience) const {
    std::vector<std::size_t> wanted;
    for (const Writer& one : writers_) wanted.push_back(one.succeeded() + more);
    return eventually(patience, [&] {
        for (std::size_t i = 0; i != writers_.size(); ++i) {
            if (writers_[i].succeeded() < wanted[i]) return false;
        }
        return true;
    });
}

void Job::stop() {
    for (Writer& one : writers_) one.stop();
}

std::size_t Job::writes() const {
    std::size_t count = 0;
    for (const Writer& one : writers_) count += one.writes().size();
    return count;
}

std::size_t Job::failures(Certainty certainty) const {
    std::size_t count = 0;
    for (const Writer& one : writers_) {
        for (const Write& write : one.writes()) {
            if (write.failed && write.failed->certainty == certainty) ++count;
        }
    }
    return count;
}

std::string Job::failures_by_certainty() const {
    std::map<Certainty, std::map<ErrorKind, std::size_t>> counts;
    for (const Writer& one : writers_) {
        for (const Write& write : one.writes()) {
            if (write.failed) ++counts[write.failed->certainty][write.failed->kind];
        }
    }
    std::string text;
    for (const auto& [certainty, kinds] : counts) {
        std::size_t all = 0;
        std::string names;
        for (const auto& [kind, count] : kinds) {
            all += count;
            names += fmt::format("{}{} {}", names.empty() ? "" : ", ", to_string(kind), count);
        }
        text += fmt::format("{}{} {} ({})", text.empty() ? "" : ", ", all, to_string(certainty), names);
    }
    return text.empty() ? "none" : text;
}

TimePoint Job::all_wrote_again(TimePoint killed) const {
    TimePoint latest = killed;
    for (const Writer& one : writers_) {
        const auto again = std::find_if(one.writes().begin(), one.writes().end(), [&](const Write& write) {
            return !write.failed && write.ended > killed + afterglow;
        });
        latest = std::max(latest, again == one.writes().end() ? TimePoint::max() : again->ended);
    }
    return latest;
}

Job::Served Job::served_between(TimePoint begin, TimePoint end) const {
    Served served;
    for (const Writer& one : writers_) {
        std::size_t own = 0;
        for (const Write& write : one.writes()) {
            if (write.failed || write.ended < begin || write.ended > end) continue;
            ++own;
            served.slowest = std::max(served.slowest, write.took);
        }
        served.fewest = &one == &writers_.front() ? own : std::min(served.fewest, own);
        served.all += own;
    }
    return served;
}

Job::Outcomes& Job::Outcomes::operator+=(const Outcomes& other) noexcept {
    checked += other.checked;
    lost += other.lost;
    wrong += other.wrong;
    return *this;
}

Job::Outcomes Job::compare(const std::function<std::vector<std::string>(const std::string& key)>& stored,
                           std::optional<TimePoint> killed) const {
    Outcomes outcomes;
    for (const Writer& one : writers_) {
        std::set<std::string> numbers;
        for (const std::string& number : stored(one.key())) {
            if (!numbers.insert(number).second) ++outcomes.wrong;  // applied twice
        }
        for (std::size_t i = 0; i != one.writes().size(); ++i) {
            const Write& write = one.writes()[i];
            const bool is_there = numbers.contains(std::to_string(i));
            ++outcomes.checked;
            if (write.failed) {
                const Certainty certainty = write.failed->certainty;
                const bool as_told = certainty == Certainty::unknown || is_there == (certainty == Certainty::applied);
                if (!as_told) ++outcomes.wrong;
            } else if (!is_there) {
                const bool by_failover =
                    killed && write.ended > *killed - unreplicated && write.ended < *killed + afterglow;
                ++(by_failover ? outcomes.lost : outcomes.wrong);
            }
        }
    }
    return outcomes;
}

}  // namespace redoubt::apps
