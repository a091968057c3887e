// resp: encoded commands; see the header.
#include <redoubt/resp/encoded_commands.hpp>

#include <algorithm>

#include "resp/encoding.hpp"

namespace redoubt {

EncodedCommands& EncodedCommands::operator=(const EncodedCommands& other) {
    if (this == &other) return *this;
    size_ = 0;
    std::memcpy(reserve(other.size_), other.data(), other.size_);
    size_ = other.size_;
    last_ = other.last_;
    block_time_ = other.block_time_;
    count_ = other.count_;
    mixed_ = other.mixed_;
    with_others_ = other.with_others_;
    retry_ = other.retry_;
    atomic_ = other.atomic_;
    slot_ = other.slot_;
    parts_ = other.parts_ ? std::make_unique<Parts>(*other.parts_) : nullptr;
    return *this;
}

EncodedCommands& EncodedCommands::operator=(EncodedCommands&& other) noexcept {
    if (this == &other) return *this;
    heap_ = std::move(other.heap_);
    if (!heap_) std::memcpy(inline_, other.inline_, other.size_);
    size_ = std::exchange(other.size_, 0);
    capacity_ = std::exchange(other.capacity_, inline_capacity);
    last_ = other.last_;
    block_time_ = other.block_time_;
    count_ = std::exchange(other.count_, 0);
    mixed_ = std::exchange(other.mixed_, false);
    with_others_ = std::exchange(other.with_others_, false);
    retry_ = std::exchange(other.retry_, RetryCategory::read_only);
    atomic_ = std::exchange(other.atomic_, false);
    slot_ = std::exchange(other.slot_, no_slot);
    parts_ = std::move(other.parts_);
    return *this;
}

void EncodedCommands::append(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                             const KeyPrefix& prefix) {
    const resp::Extent extent = resp::extent_of(spec, arguments, prefix);
    char* const out = reserve(extent.bytes);
    size_ += static_cast<std::size_t>(resp::write(spec, arguments, prefix, extent.words, out) - out);
    if (count_ != 0) [[unlikely]] {
        mixed_ = mixed_ || (last_->acl == AclGrant::scan) != (spec.acl == AclGrant::scan);
        with_others_ = with_others_ || !last_->at_replicas;
    }
    last_ = &spec;
    ++count_;
    retry_ = std::max(retry_, retry);
}

void EncodedCommands::add_further_place(std::uint16_t slot, RetryCategory retry) {
    if (count_ == 1 && !parts_) {
        parts_ = std::make_unique<Parts>();
        parts_->places.push_back({0, slot_, retry_});
    }
    if (count_ != 0) parts_->places.push_back({size_, slot, retry});
    if (slot_ == no_slot) {
        slot_ = slot;
    } else if (slot != no_slot && slot != slot_) {
        slot_ = many_slots;
    }
}

void EncodedCommands::set_joint(Joint joint) {
    if (!parts_) {
        parts_ = std::make_unique<Parts>();
        parts_->places.push_back({0, slot_, retry_});
    }
    parts_->joint = std::move(joint);
    slot_ = many_slots;  // no call of its own
}

EncodedCommands EncodedCommands::select(std::span<const std::uint32_t> commands) const {
    EncodedCommands selected;
    const std::span<const Place> all = places();
    for (const std::uint32_t command : commands) {
        const Place& place = all[command];
        const std::size_t end = command + 1 < all.size() ? all[command + 1].begin : size_;
        selected.add_place(place.slot, place.retry);
        std::memcpy(selected.reserve(end - place.begin), data() + place.begin, end - place.begin);
        selected.size_ += end - place.begin;
        ++selected.count_;
        selected.retry_ = std::max(selected.retry_, place.retry);
    }
    selected.last_ = last_;
    selected.mixed_ = mixed_;
    selected.with_others_ = with_others_;
    selected.block_time_ = block_time_;
    return selected;
}

void EncodedCommands::add_block_time(Duration block_time) noexcept {
    const Duration left = CommandView::forever - block_time_;
    block_time_ = block_time < left ? block_time_ + block_time : CommandView::forever;
}

void EncodedCommands::grow(std::size_t bytes) {
    const std::size_t grown = std::max(size_ + bytes, capacity_ * 2);
    std::unique_ptr<char[]> bigger(new char[grown]);
    std::memcpy(bigger.get(), data(), size_);
    heap_ = std::move(bigger);
    capacity_ = grown;
}

}  // namespace redoubt
