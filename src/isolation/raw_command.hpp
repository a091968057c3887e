// isolation: a command that a caller gives as words, `command("HSET", "h", "f", "1")`: looked up, checked, and
// its keys marked, so that it can be encoded with the prefix like any other. Whatever cannot be confined is
// refused before a byte is sent.
#pragma once

#include <span>
#include <string_view>
#include <vector>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/value.hpp>

namespace redoubt::isolation {

/// A raw command that passed. It owns the list of its arguments; these are views of the caller's words, which
/// must live until it is encoded.
class RawCommand {
public:
    /// `words[0]` is the name, in any case; a subcommand is a word of its own.
    static result<RawCommand> parse(std::span<const std::string_view> words);

    const CommandSpec& spec() const noexcept { return *spec_; }
    std::string_view name() const noexcept { return spec_->name; }
    /// The table's category, refined by the arguments: `SET k v NX` is conditional.
    RetryCategory retry() const noexcept { return retry_; }
    std::span<const Argument> arguments() const noexcept { return arguments_; }

private:
    explicit RawCommand(const CommandSpec& spec) : spec_(&spec), retry_(spec.retry) {}

    const CommandSpec* spec_;
    RetryCategory retry_;
    std::vector<Argument> arguments_;
};

/// Reads one reply as a value and treats the keys in it as the command's rule says: own ones are stripped;
/// foreign ones are dropped from a SCAN page, and `foreign_key` anywhere else. `dropped`, where it is given, is
/// how many were dropped.
ReadOutcome read_raw_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ReplyRule rule, Value& out,
                           std::size_t* dropped = nullptr);

}  // namespace redoubt::isolation
