// service: scans; see the header.
#include <redoubt/service/scan.hpp>

#include <unordered_set>

#include <redoubt/service/client.hpp>

namespace redoubt {
namespace service {

template <>
Command<ScanPage> next_page(const ScanState& state) {
    return cmd::scan(state.cursor, {.match = state.match, .count = state.count, .type = state.type});
}
template <>
Command<HashScanPage> next_page(const ScanState& state) {
    return cmd::hscan(state.key, state.cursor, {.match = state.match, .count = state.count});
}
template <>
Command<SetScanPage> next_page(const ScanState& state) {
    return cmd::sscan(state.key, state.cursor, {.match = state.match, .count = state.count});
}
template <>
Command<SortedSetScanPage> next_page(const ScanState& state) {
    return cmd::zscan(state.key, state.cursor, {.match = state.match, .count = state.count});
}

// What a page looks at unless it is said: few round trips, and still no long stop for others.
constexpr std::uint32_t page_size = 1000;

ScanState scan_of_keys(const Handle& handle, const ScanOptions& options) {
    return {handle, {}, std::string(options.match), std::string(options.type), options.count.value_or(page_size)};
}
ScanState scan_of_members(const Handle& handle, std::string_view key, const MemberScanOptions& options) {
    return {handle, std::string(key), std::string(options.match), {}, options.count.value_or(page_size)};
}

namespace {

/// Keys without those that a scan tells of again.
class Distinct {
public:
    void add(std::vector<std::string>&& page) {
        for (std::string& key : page) keys_.insert(std::move(key));
    }
    std::vector<std::string> take() {
        std::vector<std::string> keys;
        keys.reserve(keys_.size());
        while (!keys_.empty()) keys.push_back(std::move(keys_.extract(keys_.begin()).value()));
        return keys;
    }

private:
    std::unordered_set<std::string> keys_;
};

/// The number of distinct keys, told apart by 64 bits of hash: of ten million keys two are taken for one with a chance
/// of three in a million.
class DistinctCount {
public:
    void add(const std::vector<std::string>& page) {
        for (const std::string& key : page) hashes_.insert(std::hash<std::string>()(key));
    }
    std::uint64_t count() const noexcept { return hashes_.size(); }

private:
    static_assert(sizeof(std::size_t) == 8);
    std::unordered_set<std::size_t> hashes_;
};

/// One deletion: which page is next, and what has come of the last.
class Deletion {
public:
    Deletion(const Handle& handle, const DeleteKeysOptions& options, std::string_view match)
        : dry_run_(options.dry_run),
          state_(scan_of_keys(handle, {.match = match, .count = options.batch, .type = {}})) {
        if (handle.project->prefix().empty()) {
            raise(handle.project->refusal(
                Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission,
                          "delete_all_keys() is refused: without a project id every project's keys are meant"),
                "UNLINK"));
        }
        state_.cursor = progress_.cursor = options.cursor;
    }
    Command<ScanPage> next() const { return next_page<ScanPage>(state_); }
    /// The keys of the page that are to be unlinked; none when only counting.
    std::span<const std::string_view> take(const ScanPage& page) {
        next_cursor_ = page.cursor;
        progress_.found += page.keys.size();
        keys_.clear();
        if (!dry_run_) keys_.assign(page.keys.begin(), page.keys.end());
        return keys_;
    }
    /// The page is done; only now its cursor is one to go on from.
    void deleted(std::int64_t count) {
        progress_.deleted += static_cast<std::uint64_t>(count);
        state_.cursor = progress_.cursor = next_cursor_;
        progress_.finished = next_cursor_ == 0;
    }
    const DeleteKeysProgress& progress() const noexcept { return progress_; }
    /// False: the end is reached, or the caller wants no more.
    bool goes_on(const DeleteKeysCallback& callback) const {
        const bool wanted = !callback || callback(progress_);
        return wanted && !progress_.finished;
    }

private:
    bool dry_run_;
    ScanState state_;
    DeleteKeysProgress progress_;
    std::uint64_t next_cursor_ = 0;
    std::vector<std::string_view> keys_;
};

}  // namespace

std::vector<std::string> keys(const Handle& handle, std::string_view pattern) {
    const ProjectIsolatedRedisClient redis(handle);
    ScanState state = scan_of_keys(handle, {.match = pattern});
    Distinct distinct;
    do {
        ScanPage page = redis.invoke(next_page<ScanPage>(state));
        state.cursor = page.cursor;
        distinct.add(std::move(page.keys));
    } while (state.cursor != 0);
    return distinct.take();
}

std::uint64_t count_keys(const Handle& handle, std::string_view pattern) {
    const ProjectIsolatedRedisClient redis(handle);
    ScanState state = scan_of_keys(handle, {.match = pattern});
    DistinctCount distinct;
    do {
        const ScanPage page = redis.invoke(next_page<ScanPage>(state));
        state.cursor = page.cursor;
        distinct.add(page.keys);
    } while (state.cursor != 0);
    return distinct.count();
}

DeleteKeysProgress delete_all_keys(const Handle& handle, const DeleteKeysOptions& options,
                                   const DeleteKeysCallback& progress) {
    const ProjectIsolatedRedisClient redis(handle);
    Deletion deletion(handle, options, options.match);
    do {
        const ScanPage page = redis.invoke(deletion.next());
        const auto found = deletion.take(page);
        deletion.deleted(found.empty() ? 0 : redis.unlink(found));
    } while (deletion.goes_on(progress));
    return deletion.progress();
}

boost::asio::awaitable<std::vector<std::string>> async_keys(Handle handle, std::string pattern) {
    AsyncScan<ScanPage> scan(scan_of_keys(handle, {.match = pattern}));
    Distinct distinct;
    while (auto page = co_await scan.next()) distinct.add(std::move(page->keys));
    co_return distinct.take();
}

boost::asio::awaitable<std::uint64_t> async_count_keys(Handle handle, std::string pattern) {
    AsyncScan<ScanPage> scan(scan_of_keys(handle, {.match = pattern}));
    DistinctCount distinct;
    while (auto page = co_await scan.next()) distinct.add(page->keys);
    co_return distinct.count();
}

boost::asio::awaitable<DeleteKeysProgress> async_delete_all_keys(Handle handle, DeleteKeysOptions options,
                                                                 std::string match, DeleteKeysCallback progress) {
    const AsyncProjectRedisClient redis(handle);
    Deletion deletion(handle, options, match);
    do {
        const ScanPage page = co_await redis.invoke(deletion.next());
        const auto found = deletion.take(page);
        std::int64_t deleted = 0;
        if (!found.empty()) deleted = co_await redis.unlink(found);
        deletion.deleted(deleted);
    } while (deletion.goes_on(progress));
    co_return deletion.progress();
}

}  // namespace service

template <class Page>
void ScanRange<Page>::fetch() {
    const ProjectIsolatedRedisClient redis(state_.handle);
    while (at_ == items().size() && !state_.finished) {
        Page page = redis.invoke(service::next_page<Page>(state_));
        page_ = std::move(page);
        at_ = 0;
        state_.cursor = page_.cursor;
        state_.finished = page_.cursor == 0;
    }
}

template class ScanRange<ScanPage>;
template class ScanRange<HashScanPage>;
template class ScanRange<SetScanPage>;
template class ScanRange<SortedSetScanPage>;

}  // namespace redoubt
