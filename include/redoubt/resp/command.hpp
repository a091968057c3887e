// resp: a command as a value: typed views of its arguments, where its keys are, and how its reply is read.
// It owns nothing and holds no encoded bytes; it is encoded with the prefix in place when it is sent.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include <redoubt/base/clock.hpp>
#include <redoubt/resp/command_table.hpp>
#include <redoubt/resp/key_prefix.hpp>
#include <redoubt/resp/reply.hpp>

namespace redoubt {

/// A member of a sorted set with its score, as an argument.
struct ScoreMemberView {
    double score = 0;
    std::string_view member;
};

using TextPair = std::pair<std::string_view, std::string_view>;

struct BitfieldOperation;  // redoubt/resp/cmd/bitmaps.hpp
struct GeoMemberView;      // redoubt/resp/cmd/geo.hpp

/// One argument, or one run of them: a view of sixteen bytes. The views must live until the command is
/// encoded, which every surface does before its call returns or, for async ones, before the operation object
/// is made.
class Argument {
public:
    enum class Kind : std::uint8_t {
        text,
        key,
        glob,  // one string; a glob gets the escaped prefix in front
        closed_text,
        open_text,  // one string with `[` or `(` in front: a lexicographic bound
        integer,
        real,
        unsigned_integer,  // cursors pass the signed range in a cluster
        open_real,         // a number with `(` in front: a score bound that is not included
        texts,
        keys,  // a run of strings
        pairs,
        key_pairs,  // a run of field, value; of key, value
        scores,     // a run of score, member
        reals,      // a run of numbers
        pair_keys,
        pair_values,  // of a run of pairs only the first halves, which are keys; only the second
        locations,    // a run of longitude, latitude, member
        bitfield,     // a run of operations, of three to six words each
    };

    Argument() = default;  // of no value: a command's unused places are not filled
    static constexpr Argument text(std::string_view value) { return {Kind::text, value.data(), value.size()}; }
    static constexpr Argument key(std::string_view value) { return {Kind::key, value.data(), value.size()}; }
    static constexpr Argument glob(std::string_view value) { return {Kind::glob, value.data(), value.size()}; }
    static constexpr Argument closed_text(std::string_view value) {
        return {Kind::closed_text, value.data(), value.size()};
    }
    static constexpr Argument open_text(std::string_view value) {
        return {Kind::open_text, value.data(), value.size()};
    }
    static Argument integer(std::int64_t value) { return {Kind::integer, std::bit_cast<const void*>(value), 0}; }
    static Argument real(double value) { return {Kind::real, std::bit_cast<const void*>(value), 0}; }
    static Argument unsigned_integer(std::uint64_t value) {
        return {Kind::unsigned_integer, std::bit_cast<const void*>(value), 0};
    }
    static Argument open_real(double value) { return {Kind::open_real, std::bit_cast<const void*>(value), 0}; }
    static Argument texts(std::span<const std::string_view> run) { return {Kind::texts, run.data(), run.size()}; }
    static Argument keys(std::span<const std::string_view> run) { return {Kind::keys, run.data(), run.size()}; }
    static Argument pairs(std::span<const TextPair> run) { return {Kind::pairs, run.data(), run.size()}; }
    static Argument key_pairs(std::span<const TextPair> run) { return {Kind::key_pairs, run.data(), run.size()}; }
    static Argument scores(std::span<const ScoreMemberView> run) { return {Kind::scores, run.data(), run.size()}; }
    static Argument reals(std::span<const double> run) { return {Kind::reals, run.data(), run.size()}; }
    static Argument pair_keys(std::span<const TextPair> run) { return {Kind::pair_keys, run.data(), run.size()}; }
    static Argument pair_values(std::span<const TextPair> run) { return {Kind::pair_values, run.data(), run.size()}; }
    static Argument locations(std::span<const GeoMemberView> run) { return {Kind::locations, run.data(), run.size()}; }
    static Argument bitfield(std::span<const BitfieldOperation> run) {
        return {Kind::bitfield, run.data(), run.size()};
    }

    constexpr Kind kind() const noexcept { return static_cast<Kind>(kind_); }
    /// How many arguments it stands for on the wire.
    std::size_t count() const noexcept {
        switch (kind()) {
            case Kind::texts:
            case Kind::keys:
            case Kind::reals:
            case Kind::pair_keys:
            case Kind::pair_values: return size_;
            case Kind::locations: return size_ * 3;
            case Kind::bitfield: return bitfield_words();
            case Kind::pairs:
            case Kind::key_pairs:
            case Kind::scores: return size_ * 2;
            default: return 1;
        }
    }
    std::string_view as_text() const noexcept { return {static_cast<const char*>(data_), size_}; }
    std::uint64_t as_unsigned_integer() const noexcept { return std::bit_cast<std::uint64_t>(data_); }
    std::int64_t as_integer() const noexcept { return std::bit_cast<std::int64_t>(data_); }
    double as_real() const noexcept { return std::bit_cast<double>(data_); }
    template <class T>
    std::span<const T> as_run() const noexcept {
        return {static_cast<const T*>(data_), size_};
    }

private:
    constexpr Argument(Kind kind, const void* data, std::size_t size)
        : data_(data), size_(size & ((std::size_t{1} << 56) - 1)), kind_(static_cast<std::uint8_t>(kind)) {}
    std::size_t bitfield_words() const noexcept;

    const void* data_;
    std::size_t size_ : 56;
    std::size_t kind_ : 8;
};
static_assert(sizeof(Argument) == 16);

namespace resp {
template <class Reply>
class Building;
}
template <class Reply>
class Command;

/// Everything of a command but the type of its reply. Only the builders make and fill one, so that a key can never
/// be given as a plain text: whoever has a command cannot add to it.
class CommandView {
public:
    static constexpr std::size_t max_arguments = 12;

    /// What is wrong with the arguments: the command must not be sent. Whoever takes a command turns it into an
    /// `Error` of kind `configuration`, certainty `not_sent`. Empty when the command may be sent.
    std::string_view invalid() const noexcept { return {invalid_, invalid_size_}; }

    const CommandSpec& spec() const noexcept { return *spec_; }
    std::string_view name() const noexcept { return spec_->name; }
    RetryCategory retry() const noexcept { return retry_; }
    std::span<const Argument> arguments() const noexcept { return {arguments_, count_}; }
    /// How long the server may wait before it answers (BLPOP): the call needs a connection of its own. Zero: not at all.
    Duration block_time() const noexcept { return block_time_; }
    static constexpr Duration forever = Duration::max();

private:
    template <class>
    friend class Command;
    template <class>
    friend class resp::Building;

    explicit CommandView(const CommandSpec& spec) noexcept : spec_(&spec), retry_(spec.retry) {}

    const CommandSpec* spec_;
    std::uint8_t count_ = 0;
    RetryCategory retry_;
    std::uint16_t invalid_size_ = 0;
    const char* invalid_ = nullptr;
    Duration block_time_ = Duration::zero();
    Argument arguments_[max_arguments];
};

/// What a reader says of a reply: read, or what was expected instead. Two words, so that it is returned in registers.
class [[nodiscard]] ReadOutcome {
public:
    enum class Status : std::uint8_t { ok, mismatch, foreign_key };

    ReadOutcome() noexcept : ReadOutcome(Status::ok, {}, RespType::null) {}

    explicit operator bool() const noexcept { return status_ == Status::ok; }
    Status status() const noexcept { return status_; }
    /// Static text, such as `integer`.
    std::string_view expected() const noexcept { return {expected_, expected_size_}; }
    RespType got() const noexcept { return got_; }

    static ReadOutcome ok() noexcept { return {}; }
    static ReadOutcome mismatch(std::string_view expected, RespType got) noexcept {
        return {Status::mismatch, expected, got};
    }
    static ReadOutcome mismatch(std::string_view expected, const ReplyNode& got) noexcept {
        return mismatch(expected, got.type);
    }
    static ReadOutcome foreign_key() noexcept {
        return {Status::foreign_key, "a key with the project's prefix", RespType::null};
    }

private:
    ReadOutcome(Status status, std::string_view expected, RespType got) noexcept
        : expected_(expected.data()),
          expected_size_(static_cast<std::uint32_t>(expected.size())),
          status_(status),
          got_(got) {}
    const char* expected_;
    std::uint32_t expected_size_;
    Status status_;
    RespType got_;
};

/// A command whose reply is read as `Reply`. Made by the builders in namespace `cmd`. Trivially copyable.
template <class Reply>
class Command : public CommandView {
public:
    using reply_type = Reply;
    /// Reads one reply that is not an error; strips the prefix from keys in it.
    using Reader = ReadOutcome (*)(ReplyCursor&, const KeyPrefix&, Reply&);

    Reader reader() const noexcept { return reader_; }

private:
    template <class>
    friend class resp::Building;
    Command(const CommandSpec& spec, Reader read) noexcept : CommandView(spec), reader_(read) {}
    Reader reader_;
};

/// An upper bound of what `encode` writes.
std::size_t encoded_bound(const CommandView& command, const KeyPrefix& prefix) noexcept;
/// Writes the command as a RESP array of bulk strings, keys with the prefix in front, and returns the end.
/// `out` must have room for `encoded_bound`.
char* encode(const CommandView& command, const KeyPrefix& prefix, char* out) noexcept;

/// The same of a command that is not a CommandView: a raw one, or arguments that an operation has copied.
std::size_t encoded_bound(const CommandSpec& spec, std::span<const Argument> arguments,
                          const KeyPrefix& prefix) noexcept;
char* encode(const CommandSpec& spec, std::span<const Argument> arguments, const KeyPrefix& prefix, char* out) noexcept;

}  // namespace redoubt
