// resp: commands already encoded, prefix in place: what a pipeline gathers, and what an async call owns, since its
// caller's arguments may be gone when it is sent or sent again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/resp/command.hpp>

namespace redoubt {

/// Slots of a Cluster are below these two.
inline constexpr std::uint16_t no_slot = 0xffff;     ///< there is no key
inline constexpr std::uint16_t many_slots = 0xfffe;  ///< there are keys in different slots

/// Bytes with room for a small command inside, so that an everyday async call allocates nothing for it.
class EncodedCommands {
public:
    static constexpr std::size_t inline_capacity = 152;

    EncodedCommands() = default;
    EncodedCommands(const EncodedCommands& other) { *this = other; }
    EncodedCommands(EncodedCommands&& other) noexcept { *this = std::move(other); }
    EncodedCommands& operator=(const EncodedCommands& other);
    EncodedCommands& operator=(EncodedCommands&& other) noexcept;
    ~EncodedCommands() = default;

    void append(const CommandView& command, const KeyPrefix& prefix) {
        append(command.spec(), command.retry(), command.arguments(), prefix);
        if (command.block_time() != Duration::zero()) [[unlikely]]
            add_block_time(command.block_time());
    }
    void append(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                const KeyPrefix& prefix);
    /// The same of one that may wait at the server so long, see CommandView::block_time.
    void append(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                const KeyPrefix& prefix, Duration block_time) {
        append(spec, retry, arguments, prefix);
        if (block_time != Duration::zero()) add_block_time(block_time);
    }

    /// Before the next one is appended: the slot of its keys, and its own category. For whoever has to know where commands
    /// go; all of them or none.
    void add_place(std::uint16_t slot, RetryCategory retry) {
        if (count_ != 0 || slot_ != no_slot) [[unlikely]]
            return add_further_place(slot, retry);
        slot_ = slot;
    }
    /// Of all keys; `no_slot` where nobody has said so.
    std::uint16_t slot() const noexcept { return slot_; }
    void set_slot(std::uint16_t slot) noexcept { slot_ = slot; }
    struct Place {
        std::size_t begin;  ///< of the command in `bytes`
        std::uint16_t slot;
        RetryCategory retry;
    };
    /// One a command; empty while there is one command at most.
    std::span<const Place> places() const noexcept {
        return parts_ ? std::span<const Place>(parts_->places) : std::span<const Place>();
    }
    /// They are one command of the caller's (MGET), one for each slot of its keys; their replies make one again. Or they
    /// are one page of a SCAN, which goes from node to node.
    struct Joint {
        enum class Kind : std::uint8_t { values, sum, ok, scan };
        Kind kind = Kind::values;
        std::uint32_t count = 0;                       ///< of the caller's keys
        std::vector<std::vector<std::uint32_t>> keys;  ///< of each command: which of them, from 0
    };
    const Joint* joint() const noexcept { return parts_ && parts_->joint ? &*parts_->joint : nullptr; }
    /// After the last was appended.
    void set_joint(Joint joint);
    /// Some of them, with their places, in this order; of more than one.
    EncodedCommands select(std::span<const std::uint32_t> commands) const;

    std::string_view bytes() const noexcept { return {data(), size_}; }
    /// How many commands, and so how many replies.
    std::uint32_t count() const noexcept { return count_; }
    /// What may be retried of all of them together: the strictest of their categories.
    RetryCategory retry() const noexcept { return retry_; }
    /// A transaction: nothing is executed before the last byte has come, and it is never sent twice when it may
    /// have been executed.
    void set_atomic() noexcept {
        atomic_ = true;
        retry_ = RetryCategory::never;
    }
    bool atomic() const noexcept { return atomic_; }
    /// How long the server may wait before it has answered all: what the commands say together, zero in a transaction,
    /// where none waits. CommandView::forever: no end.
    Duration block_time() const noexcept { return atomic_ ? Duration::zero() : block_time_; }
    /// Some of them might wait, were they alone.
    bool may_wait() const noexcept { return block_time_ != Duration::zero(); }
    /// All of them are for the scan user, where there are users of the server (AclGrant::scan).
    bool scans() const noexcept { return count_ != 0 && !mixed_ && last_->acl == AclGrant::scan; }
    /// All of them may be answered by a replica (CommandSpec::at_replicas), and none waits or is in a transaction.
    bool at_replicas() const noexcept {
        return count_ != 0 && last_->at_replicas && !with_others_ && !atomic_ && !may_wait();
    }
    /// Of the last one that was appended.
    std::string_view last_name() const noexcept { return last_ != nullptr ? last_->name : std::string_view{}; }

private:
    const char* data() const noexcept { return heap_ ? heap_.get() : inline_; }
    /// Room for `bytes` more.
    char* reserve(std::size_t bytes) {
        if (size_ + bytes > capacity_) [[unlikely]]
            grow(bytes);
        return (heap_ ? heap_.get() : inline_) + size_;
    }
    void grow(std::size_t bytes);
    void add_further_place(std::uint16_t slot, RetryCategory retry);
    void add_block_time(Duration block_time) noexcept;

    std::size_t size_ = 0;
    std::size_t capacity_ = inline_capacity;
    std::unique_ptr<char[]> heap_;
    struct Parts {
        std::vector<Place> places;
        std::optional<Joint> joint;
    };
    std::unique_ptr<Parts> parts_;  // seldom there
    const CommandSpec* last_ = nullptr;
    Duration block_time_ = Duration::zero();
    std::uint32_t count_ = 0;
    bool atomic_ = false;
    bool mixed_ = false;        // some are for the scan user, some are not
    bool with_others_ = false;  // some before the last are not for replicas
    RetryCategory retry_ = RetryCategory::read_only;
    std::uint16_t slot_ = no_slot;
    char inline_[inline_capacity];
};

}  // namespace redoubt
