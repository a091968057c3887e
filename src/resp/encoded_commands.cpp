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
    retry_ = other.retry_;
    atomic_ = other.atomic_;
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
    retry_ = std::exchange(other.retry_, RetryCategory::read_only);
    atomic_ = std::exchange(other.atomic_, false);
    return *this;
}

void EncodedCommands::append(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                             const KeyPrefix& prefix) {
    const resp::Extent extent = resp::extent_of(spec, arguments, prefix);
    char* const out = reserve(extent.bytes);
    size_ += static_cast<std::size_t>(resp::write(spec, arguments, prefix, extent.words, out) - out);
    if (count_ != 0) [[unlikely]]
        mixed_ = mixed_ || (last_->acl == AclGrant::scan) != (spec.acl == AclGrant::scan);
    last_ = &spec;
    ++count_;
    retry_ = std::max(retry_, retry);
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
