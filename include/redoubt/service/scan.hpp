// service: scans without a cursor in the caller's hands: a project's keys, or the members of one key, as a range for
// blocking callers and page by page for coroutines; and how the deletion of all keys is asked for.
//
// A scan tells of everything that is there from its beginning to its end, and may tell of what comes or goes meanwhile.
// It may tell of a key or member more than once. The server walks the keys of all projects, 1000 at a time unless `count`
// says otherwise, so that nobody waits for long; those of others are left out there, and dropped here if they come.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <iterator>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <redoubt/resp/cmd.hpp>
#include <redoubt/service/execution.hpp>

namespace redoubt {

namespace service {

/// What a page holds, and what a scan over such pages needs to know besides.
inline std::vector<std::string>& items_of(ScanPage& page) { return page.keys; }
inline std::vector<std::pair<std::string, std::string>>& items_of(HashScanPage& page) { return page.fields; }
inline std::vector<std::string>& items_of(SetScanPage& page) { return page.members; }
inline std::vector<ScoredMember>& items_of(SortedSetScanPage& page) { return page.members; }

/// Copies of what a scan was asked for, and how far it is.
struct ScanState {
    Handle handle;
    std::string key;  ///< of HSCAN, SSCAN, ZSCAN
    std::string match;
    std::string type;
    std::uint32_t count = 0;
    std::uint64_t cursor = 0;  ///< where the next page begins
    bool finished = false;     ///< there is no next page
};
/// The command for the next page.
template <class Page>
Command<Page> next_page(const ScanState& state);

}  // namespace service

/// `for (const std::string& key : redis.scan({.match = "user:*"}))`: an input range, to be walked once, by one thread.
/// The next page is fetched when it is needed, so that `begin()` and `++` are calls, and throw as calls do.
template <class Page>
class ScanRange {
public:
    using value_type = typename std::decay_t<decltype(service::items_of(std::declval<Page&>()))>::value_type;

    explicit ScanRange(service::ScanState state) : state_(std::move(state)) {}

    class Iterator {
    public:
        using iterator_concept = std::input_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = ScanRange::value_type;
        using difference_type = std::ptrdiff_t;
        using pointer = const value_type*;
        using reference = const value_type&;

        Iterator() = default;
        reference operator*() const { return range_->items()[range_->at_]; }
        pointer operator->() const { return &**this; }
        Iterator& operator++() {
            ++range_->at_;
            range_->fetch();
            return *this;
        }
        void operator++(int) { ++*this; }
        friend bool operator==(const Iterator& iterator, std::default_sentinel_t) { return iterator.is_at_end(); }

    private:
        friend class ScanRange;
        explicit Iterator(ScanRange& range) : range_(&range) {}
        bool is_at_end() const { return range_->at_ == range_->items().size(); }
        ScanRange* range_ = nullptr;
    };

    /// Where it stands: at the first one when it was not walked yet.
    Iterator begin() {
        fetch();
        return Iterator(*this);
    }
    std::default_sentinel_t end() const noexcept { return {}; }

private:
    std::vector<value_type>& items() { return service::items_of(page_); }
    /// Pages until there is something in one, or none is left: empty ones are normal.
    void fetch();

    service::ScanState state_;
    Page page_;
    std::size_t at_ = 0;
};

using KeyScan = ScanRange<ScanPage>;
using FieldScan = ScanRange<HashScanPage>;              ///< of a hash: pairs of field and value
using MemberScan = ScanRange<SetScanPage>;              ///< of a set
using ScoredMemberScan = ScanRange<SortedSetScanPage>;  ///< of a sorted set

namespace service {

/// A page on its way; none where the scan was at its end already.
template <class Page>
class PageReplies {
public:
    using value_type = std::optional<Page>;
    PageReplies(std::shared_ptr<ScanState> state, Reader<Page> reader) : state_(std::move(state)), reader_(reader) {}
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) {
        return reader_(cursor, prefix, page_.emplace());
    }
    void fail(std::uint32_t, const Error&) {}  // one command fails as a whole
    value_type&& take() {
        if (page_) {
            state_->cursor = page_->cursor;
            state_->finished = page_->cursor == 0;
        }
        return std::move(page_);
    }

private:
    std::shared_ptr<ScanState> state_;
    Reader<Page> reader_;
    value_type page_;
};

}  // namespace service

/// `while (auto page = co_await scan.next())`: pages, which may be empty, until there is none. After a failure the same
/// page can be asked for again. One at a time.
template <class Page>
class AsyncScan {
public:
    explicit AsyncScan(service::ScanState state) : state_(std::make_shared<service::ScanState>(std::move(state))) {}

    /// An operation like every other: `void(std::exception_ptr, std::optional<Page>)`.
    auto next() const {
        service::Gathered gathered;
        const Command<Page> command = service::next_page<Page>(*state_);
        if (!state_->finished) gathered.add_alone(state_->handle, command);
        return service::Async::run(state_->handle, std::move(gathered), command.name(),
                                   service::PageReplies<Page>(state_, command.reader()));
    }

private:
    std::shared_ptr<service::ScanState> state_;
};

/// What delete_all_keys() deletes, and how.
struct DeleteKeysOptions {
    std::string_view match = {};  ///< a glob over the project's own keys; empty: all
    std::uint32_t batch = 1000;   ///< keys looked at in each step, 1 to 10000
    std::uint64_t cursor = 0;     ///< goes on where an earlier one stopped
    bool dry_run = false;         ///< only counts
};
static_assert(std::is_trivially_destructible_v<DeleteKeysOptions> && std::is_trivially_copyable_v<DeleteKeysOptions>);

/// How far it is.
struct DeleteKeysProgress {
    std::uint64_t found = 0;    ///< keys that were told of, one that was told of twice counting twice
    std::uint64_t deleted = 0;  ///< keys that were there and are not any more
    std::uint64_t cursor = 0;   ///< where to go on
    bool finished = false;      ///< the whole keyspace has been walked
};

/// Told after each step; false stops.
using DeleteKeysCallback = std::function<bool(const DeleteKeysProgress&)>;

namespace service {

// What the clients' methods of these names do.
std::vector<std::string> keys(const Handle& handle, std::string_view pattern);
std::uint64_t count_keys(const Handle& handle, std::string_view pattern);
DeleteKeysProgress delete_all_keys(const Handle& handle, const DeleteKeysOptions& options,
                                   const DeleteKeysCallback& progress);
boost::asio::awaitable<std::vector<std::string>> async_keys(Handle handle, std::string pattern);
boost::asio::awaitable<std::uint64_t> async_count_keys(Handle handle, std::string pattern);
boost::asio::awaitable<DeleteKeysProgress> async_delete_all_keys(Handle handle, DeleteKeysOptions options,
                                                                 std::string match, DeleteKeysCallback progress);

/// What each kind of scan begins with.
ScanState scan_of_keys(const Handle& handle, const ScanOptions& options);
ScanState scan_of_members(const Handle& handle, std::string_view key, const MemberScanOptions& options);

}  // namespace service
}  // namespace redoubt
