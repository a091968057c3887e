// tests: the traffic of a migration: what a caller does next, and what it makes of the answer; the same for coroutines and
// threads.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include <redoubt/redoubt.hpp>

#include "support/random.hpp"
#include "topology/slot.hpp"

#include "ledger.hpp"

namespace redoubt::migration {

/// What must not fail while slots move, and what may.
enum class Class : std::uint8_t {
    single,     ///< one command with one key
    pipelined,  ///< several of those sent together
    several,    ///< one command, or one transaction, with several keys
};
inline constexpr std::size_t classes = 3;

struct Tally {
    std::array<std::uint64_t, classes> commands{};
    std::array<std::array<std::uint64_t, 4>, classes> failed{};     ///< by certainty
    std::array<std::map<std::string, std::uint64_t>, classes> why;  ///< TRYAGAIN and the like
    std::array<Duration, classes> slowest{};
    std::uint64_t unexecuted = 0;               ///< transactions whose watched key was taken along with its slot
    std::array<std::uint64_t, classes> slow{};  ///< over 100 ms

    Tally& operator+=(const Tally& other);
    std::uint64_t failures(Class of) const;
};

/// What all callers share.
struct Traffic {
    static constexpr std::uint32_t no_slot = topology::slot_count;
    std::atomic<bool> stop{false};
    std::atomic<std::uint64_t> commands{0};      ///< that have ended
    std::atomic<std::uint32_t> moving{no_slot};  ///< the slot that is on its way
    Deviations deviations;
    /// All keys of each project, by slot: what readers choose from.
    std::map<std::string, std::vector<std::vector<Entry*>>> by_slot;
    std::map<std::string, std::vector<Entry*>> all;

    void add(const Book& book);
};

enum class Act : std::uint8_t {
    get,
    set,
    incr,
    del,
    pipeline,
    incr_batch,
    mget,
    mset,
    del_many,
    exists,
    transaction,
    watched,
};

/// One key of a call.
struct Part {
    Entry* entry = nullptr;
    std::uint64_t floor = 0;
    std::uint64_t version = 0;       ///< 0: it is only read
    std::optional<bool> there = {};  ///< of one's own: before this; nullopt: that is not certain
    std::string value = {};
};

/// Decides and checks; one call at a time.
class Steps {
public:
    static constexpr std::size_t in_pipeline = 6;
    using PipelineReplies = std::tuple<result<std::int64_t>, result<bool>, result<MaybeText>, result<std::int64_t>,
                                       result<MaybeText>, result<bool>>;
    using TransactionReplies = std::optional<std::tuple<result<std::int64_t>, result<bool>, result<MaybeText>>>;
    using WatchedReplies = std::optional<std::tuple<result<std::int64_t>, result<bool>>>;

    Steps(Book& book, Traffic& traffic, std::uint64_t seed);

    const Book& book() const noexcept { return book_; }
    const Tally& tally() const noexcept { return tally_; }

    /// Chooses what comes next, and begins it.
    Act next();
    std::size_t commands() const noexcept {
        return act_ == Act::pipeline || act_ == Act::incr_batch ? parts_.size() : 1;
    }
    const std::string& key(std::size_t part = 0) const { return parts_[part].entry->key(); }
    const std::string& value(std::size_t part = 0) const { return parts_[part].value; }
    std::span<const std::string_view> keys();
    std::span<const TextPair> pairs();

    void ended_get(const result<MaybeText>& outcome);
    void ended_set(const result<bool>& outcome);
    /// INCR, DEL, EXISTS.
    void ended_number(const result<std::int64_t>& outcome);
    void ended_mget(const result<std::vector<MaybeText>>& outcome);
    void ended_mset(const result<Ok>& outcome);
    void ended_pipeline(const result<PipelineReplies>& outcome);
    void ended_batch(const result<std::vector<result<std::int64_t>>>& outcome);
    void ended_transaction(const result<TransactionReplies>& outcome);
    void ended_watched(const result<WatchedReplies>& outcome);

private:
    Entry& own(const std::vector<Entry*>& from, Entry::Kind kind);
    Entry& any();
    Group& group();
    void read(Entry& entry);
    void write(Entry& entry, bool deletes = false);
    void write_texts(std::size_t count, bool deletes);
    bool is_there_already(const Entry& entry) const;

    void end_call(Class of, std::size_t commands);
    void failed(Class of, const Error& error);
    void note(Part& part, const result<MaybeText>& outcome);
    void note(Part& part, const result<bool>& outcome);
    void note(Part& part, const result<std::int64_t>& outcome);
    void wrong(const std::string& text) { traffic_.deviations.add(text); }

    Book& book_;
    Traffic& traffic_;
    testing::Random random_;
    std::unordered_map<std::uint32_t, std::vector<Entry*>> by_slot_;
    std::unordered_map<std::uint32_t, std::vector<Group*>> groups_by_slot_;
    Act act_ = Act::get;
    TimePoint began_;
    std::vector<Part> parts_;
    std::vector<std::string_view> keys_;
    std::vector<TextPair> pairs_;
    Tally tally_;
};

/// What the error of a command that was split over slots says of each of its keys.
std::vector<Fate> fates_of_keys(const Error& error, std::size_t count);

}  // namespace redoubt::migration
