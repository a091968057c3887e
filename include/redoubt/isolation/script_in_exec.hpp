// isolation: the reply of a script that is sent as a transaction of its own, as it is in a Cluster: there a node may send
// it elsewhere, and only of what the server says before EXEC is it certain that no script made it up.
#pragma once

#include <cstdint>
#include <optional>

#include <redoubt/base/error.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/command.hpp>

namespace redoubt::isolation {

/// Takes the replies of MULTI, the script and EXEC, and finds the script's.
class ScriptInExec {
public:
    template <class Read>
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix, Read inner) {
        if (index != exec_index) {
            if (index == 0) error_.reset();  // of an earlier attempt
            cursor.skip();
            return ReadOutcome::ok();
        }
        const ReplyNode head = cursor.next();
        if (head.type != RespType::array || head.integer != 1) return ReadOutcome::mismatch("an array of one", head);
        if (const ReplyNode reply = cursor.peek(); reply.is_error()) {
            error_ = error_inside_exec(reply.text, prefix);
            cursor.skip();
            return ReadOutcome::ok();
        }
        return inner(cursor);
    }
    /// The first says why; EXECABORT only that there was one.
    void fail(std::uint32_t index, const Error& error) {
        if (index == 0 || !error_) error_ = error;
    }
    const std::optional<Error>& error() const noexcept { return error_; }

private:
    static constexpr std::uint32_t exec_index = 2;
    std::optional<Error> error_;
};

}  // namespace redoubt::isolation
