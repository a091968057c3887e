// service: memory of a project: walks its keys, and measures a sample of them; see the header.
#include <redoubt/service/memory_report.hpp>

#include <algorithm>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/json/array.hpp>
#include <boost/json/value.hpp>

#include <redoubt/service/client.hpp>

#include "resp/building.hpp"
#include "resp/command_rows.hpp"
#include "service/memory_sample.hpp"

namespace redoubt {
namespace service {
namespace {

namespace json = boost::json;

// Keys that are measured in one round trip: few enough that nobody waits behind them.
constexpr std::size_t keys_at_once = 100;
constexpr std::size_t questions = 3;  // of each key

[[noreturn]] void refuse(const Handle& handle, std::string_view static_text) {
    raise(handle.project->refusal(
        Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission, static_text), "MEMORY USAGE"));
}

void check(const Handle& handle, const MemoryReportOptions& options) {
    if (options.max_keys == 0 || options.max_keys > 1'000'000) {
        refuse(handle, "memory_report: max_keys must be 1 to 1000000");
    }
    if (options.page == 0 || options.page > 10'000) refuse(handle, "memory_report: page must be 1 to 10000");
    if (options.top > 1'000) refuse(handle, "memory_report: top must be 0 to 1000");
    if (options.time <= Duration::zero()) refuse(handle, "memory_report: time must be above 0");
}

Command<Value> asking(const CommandSpec& spec, std::string_view key) {
    resp::Building<Value> command(spec, &read_reply);
    command.add(Argument::key(key));
    return command;
}

Command<Value> memory_usage(std::string_view key, std::uint32_t elements) {
    resp::Building<Value> command(resp::spec_of("MEMORY USAGE"), &read_reply);
    command.add(Argument::key(key));
    command.add(Argument::text("SAMPLES"));
    command.add(Argument::integer(elements));
    return command;
}

/// One report as it comes about: what is asked next, and what has come of it.
class Making {
public:
    Making(const Handle& handle, const MemoryReportOptions& options, std::string_view match,
           const MemoryReportCallback& progress)
        : options_(options),
          progress_(progress),
          state_(scan_of_keys(handle, {.match = match, .count = options.page, .type = {}})),
          reservoir_(options.max_keys, seed()),
          tally_(options.top) {
        check(handle, options);
    }

    /// False: there is no further page, or no time for one.
    bool wants_page() const { return !stopped_ && !walked_ && Clock::now() < walk_until_; }
    Command<ScanPage> page() const { return next_page<ScanPage>(state_); }
    void take(ScanPage&& page) {
        state_.cursor = page.cursor;
        walked_ = page.cursor == 0;
        for (std::string& key : page.keys) reservoir_.add(std::move(key));
        // A page of an old cursor begins where another does not: a share can seem to shrink while the table grows.
        share_ = std::max(share_, share_walked(page.cursor));
        tell(false, share_);
    }

    void begin_measuring() { chosen_ = reservoir_.take(); }
    /// The keys to be measured next; none: that was all, or the time is over.
    std::span<const std::string> next() const {
        // Something is measured, however short the time is.
        if (stopped_ || (Clock::now() >= until_ && at_ != 0)) return {};
        return std::span(chosen_).subspan(at_, std::min(keys_at_once, chosen_.size() - at_));
    }
    template <class Batch>
    void ask(const Batch& batch) const {
        for (const std::string& key : next()) {
            batch.invoke(memory_usage(key, options_.elements));
            batch.invoke(asking(resp::spec_of("TYPE"), key));
            batch.invoke(asking(resp::spec_of("PTTL"), key));
        }
    }
    void take(std::vector<Value>&& replies) {
        for (std::size_t i = 0; i + questions <= replies.size(); i += questions) {
            const Value& usage = replies[i];
            Value& type = replies[i + 1];
            const Value& ttl = replies[i + 2];
            if (usage.is_null() || type.text == "none") {
                tally_.add_gone();
                ++at_;
                continue;
            }
            tally_.add({std::move(chosen_[at_]), std::move(type.text), usage.integer, ttl.integer >= 0});
            ++at_;
        }
        tell(true, static_cast<double>(at_) / static_cast<double>(chosen_.size()));
    }

    MemoryReport finish() && {
        const double share = walked_ ? 1.0 : share_;
        MemoryReport report = std::move(tally_).finish(reservoir_.seen(), share);
        report.walked_all = walked_;
        report.stopped = stopped_;
        report.seconds = std::chrono::duration<double>(Clock::now() - began_).count();
        return report;
    }

private:
    static std::uint64_t seed() {
        std::random_device device;
        return (std::uint64_t{device()} << 32U) | device();
    }
    void tell(bool measuring, double fraction) {
        if (progress_ && !progress_({measuring, fraction, reservoir_.seen(), tally_.measured()})) stopped_ = true;
    }

    MemoryReportOptions options_;
    const MemoryReportCallback& progress_;
    TimePoint began_ = Clock::now();
    TimePoint walk_until_ = began_ + options_.time / 3 * 2;
    TimePoint until_ = began_ + options_.time;
    ScanState state_;
    KeyReservoir reservoir_;
    MemoryTally tally_;
    std::vector<std::string> chosen_;
    std::size_t at_ = 0;
    double share_ = 0;
    bool walked_ = false;
    bool stopped_ = false;
};

json::array groups_json(const std::vector<MemoryReport::Group>& groups, std::string_view name) {
    json::array out;
    for (const MemoryReport::Group& group : groups) {
        out.push_back({{name, as_utf8(group.name)}, {"keys", group.keys}, {"bytes", group.bytes}});
    }
    return out;
}

}  // namespace

MemoryReport memory_report(const Handle& handle, const MemoryReportOptions& options,
                           const MemoryReportCallback& progress) {
    const ProjectIsolatedRedisClient redis(handle);
    Making making(handle, options, options.match, progress);
    while (making.wants_page()) making.take(redis.invoke(making.page()));
    making.begin_measuring();
    while (!making.next().empty()) {
        auto batch = redis.batch<Value>();
        making.ask(batch);
        making.take(std::move(batch).execute());
    }
    return std::move(making).finish();
}

boost::asio::awaitable<MemoryReport> async_memory_report(Handle handle, MemoryReportOptions options, std::string match,
                                                         MemoryReportCallback progress) {
    const AsyncProjectRedisClient redis(handle);
    Making making(handle, options, match, progress);
    while (making.wants_page()) {
        ScanPage page = co_await redis.invoke(making.page());
        making.take(std::move(page));
    }
    making.begin_measuring();
    while (!making.next().empty()) {
        auto batch = redis.batch<Value>();
        making.ask(batch);
        std::vector<Value> replies = co_await std::move(batch).execute();
        making.take(std::move(replies));
    }
    co_return std::move(making).finish();
}

}  // namespace service

boost::json::object to_json(const MemoryReport& report) {
    boost::json::array largest;
    for (const MemoryReport::Key& key : report.largest) {
        largest.push_back({{"key", service::as_utf8(key.name)},
                           {"type", service::as_utf8(key.type)},
                           {"bytes", key.bytes},
                           {"expires", key.expires}});
    }
    return {{"keys_found", report.found},
            {"keys_measured", report.measured},
            {"keys_gone", report.gone},
            {"walked_all", report.walked_all},
            {"stopped", report.stopped},
            {"share_walked", report.share_walked},
            {"bytes_measured", report.bytes},
            {"seconds", report.seconds},
            {"without_ttl", {{"keys", report.without_ttl}, {"bytes", report.without_ttl_bytes}}},
            {"estimate",
             {{"keys", report.estimated_keys},
              {"bytes", report.estimated_bytes},
              {"standard_error_bytes", report.standard_error_bytes},
              {"low_bytes", report.low_bytes},
              {"high_bytes", report.high_bytes},
              {"confidence", 0.95}}},
            {"largest_keys", std::move(largest)},
            {"types", service::groups_json(report.types, "type")},
            {"patterns", service::groups_json(report.patterns, "pattern")}};
}

}  // namespace redoubt
