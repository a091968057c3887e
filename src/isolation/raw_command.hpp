// isolation: a command that a caller gives as words, `command("HSET", "h", "f", "1")`: looked up, checked, and
// its keys marked, so that it can be encoded with the prefix like any other. Whatever cannot be confined is
// refused before a byte is sent.
#pragma once

#include <span>
#include <string_view>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/value.hpp>

#include "isolation/parse.hpp"

namespace redoubt::isolation {

/// A raw command that passed. It owns the list of its arguments; these are views of the caller's words, which
/// must live until it is encoded.
class RawCommand {
public:
    /// `words[0]` is the name, in any case; a subcommand is a word of its own. All rules hold but in a test of them.
    static result<RawCommand> parse(std::span<const std::string_view> words, Rules rules = {});

    const CommandSpec& spec() const noexcept { return *spec_; }
    std::string_view name() const noexcept { return spec_->name; }
    /// The table's category, refined by the arguments: `SET k v NX` is conditional.
    RetryCategory retry() const noexcept { return parsed_.retry; }
    std::span<const Argument> arguments() const noexcept { return parsed_.arguments; }
    /// As CommandView::block_time: not zero for BLPOP, or XREAD with BLOCK.
    Duration block_time() const noexcept { return parsed_.block_time; }

private:
    explicit RawCommand(const CommandSpec& spec) : spec_(&spec) {}

    const CommandSpec* spec_;
    Parsed parsed_;
};

/// Reads one reply as a value and treats the keys in it as the command's rule says: own ones are stripped;
/// foreign ones are dropped from a SCAN page and a list of channels, and `foreign_key` anywhere else. `dropped`, where it is given, is
/// how many were dropped.
ReadOutcome read_raw_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ReplyRule rule, Value& out,
                           std::size_t* dropped = nullptr);

}  // namespace redoubt::isolation
