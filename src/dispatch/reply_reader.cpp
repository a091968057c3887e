// dispatch: reads the replies of a call and turns what is wrong with them into errors.
#include <fmt/format.h>

#include <redoubt/dispatch/call.hpp>

#include "connection/server_error.hpp"

namespace redoubt {

CallOptions CallOptions::merged_over(const CallOptions& other) const noexcept {
    CallOptions merged = *this;
    if (!merged.deadline) merged.deadline = other.deadline;
    if (!merged.retries) merged.retries = other.retries;
    if (!merged.retry_idempotent_writes) merged.retry_idempotent_writes = other.retry_idempotent_writes;
    return merged;
}

Error error_inside_exec(std::string_view text, const KeyPrefix& prefix) {
    return connection::from_server_error(text, prefix, false);
}

bool ReplyReader::take(std::string_view frame) {
    ReplyCursor cursor(frame);
    const ReplyNode head = cursor.peek();
    if (head.is_error()) [[unlikely]] {
        (void)fail(connection::from_server_error(head.text, *prefix_, trusted_));
        return true;
    }
    const ReadOutcome outcome = sink_->read(next_, cursor, *prefix_);
    if (outcome) [[likely]] {
        ++next_;
        return true;
    }
    if (outcome.status == ReadOutcome::Status::foreign_key) {
        (void)fail(Error::of(ErrorKind::isolation, Certainty::applied, Stage::reply,
                             "the reply names a key that is not the project's own; the connection was closed"));
        return false;
    }
    return fail(Error::with_detail(ErrorKind::reply_type, Certainty::applied, Stage::reply,
                                   fmt::format("the reply is not what was asked for: expected {}, got {}",
                                               outcome.expected, to_string(outcome.got.type))));
}

bool ReplyReader::fail(Error error) {
    if (replies_ == 1) {
        error_ = std::move(error);
    } else {
        if (!node_failure_ && connection::is_node_failure(error.prefix())) node_failure_ = error;
        sink_->fail(next_, error);
    }
    ++next_;
    return true;
}

}  // namespace redoubt
