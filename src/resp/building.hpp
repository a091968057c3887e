// resp: a command while a builder fills it. The only way to make one; kept out of the public headers, because whoever
// could add arguments freely could name another project's key.
#pragma once

#include <string_view>

#include <redoubt/resp/command.hpp>

namespace redoubt::resp {

/// Becomes a `Command<Reply>` when the builder returns it.
template <class Reply>
class Building : public Command<Reply> {
public:
    Building(const CommandSpec& spec, typename Command<Reply>::Reader read) noexcept : Command<Reply>(spec, read) {}

    void add(Argument argument) noexcept {
        if (this->count_ == CommandView::max_arguments) return set_invalid("too many arguments for a command value");
        this->arguments_[this->count_++] = argument;
    }
    /// A builder narrows or widens the table's category by its arguments.
    void set_retry(RetryCategory category) noexcept { this->retry_ = category; }
    /// See CommandView::block_time.
    void set_block_time(Duration block_time) noexcept { this->block_time_ = block_time; }
    /// What is wrong with the arguments, as a static text. The first stays.
    void set_invalid(std::string_view static_text) noexcept {
        if (this->invalid_ != nullptr) return;
        this->invalid_ = static_text.data();
        this->invalid_size_ = static_cast<std::uint16_t>(static_text.size());
    }
};

}  // namespace redoubt::resp
