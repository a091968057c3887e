// dispatch: reads the replies of a call and turns what is wrong with them into errors.
#include <fmt/format.h>

#include <redoubt/base/isolation_counters.hpp>
#include <redoubt/dispatch/call.hpp>

#include "connection/server_error.hpp"

namespace redoubt {

CallOptions CallOptions::merged_over(const CallOptions& other) const noexcept {
    CallOptions merged = *this;
    if (!merged.deadline) merged.deadline = other.deadline;
    if (!merged.retries) merged.retries = other.retries;
    if (!merged.retry_idempotent_writes) merged.retry_idempotent_writes = other.retry_idempotent_writes;
    if (!merged.retry_as) merged.retry_as = other.retry_as;
    if (!merged.read_from) merged.read_from = other.read_from;
    if (merged.replica_acks.replicas == 0) merged.replica_acks = other.replica_acks;
    if (merged.context == nullptr) merged.context = other.context;
    return merged;
}

Error error_inside_exec(std::string_view text, const KeyPrefix& prefix) {
    return connection::from_server_error(text, prefix, ErrorTrust::if_before_execution);
}

Error error_of_shape(const ReadOutcome& outcome) {
    return Error::with_detail(ErrorKind::reply_type, Certainty::applied, Stage::reply,
                              fmt::format("the reply is not what was asked for: expected {}, got {}",
                                          outcome.expected(), to_string(outcome.got())));
}

bool ReplyReader::take_error(std::string_view frame) {
    fail(connection::from_server_error(ReplyCursor(frame).peek().text, *prefix_, trust_));
    return true;
}

bool ReplyReader::refuse(const ReadOutcome& outcome) {
    if (outcome.status() == ReadOutcome::Status::foreign_key) {
        isolation_counters().foreign_keys.fetch_add(1, std::memory_order_relaxed);
        fail(Error::of(ErrorKind::isolation, Certainty::applied, Stage::reply,
                       "the reply names a key that is not the project's own; the connection was closed"));
        return false;
    }
    fail(error_of_shape(outcome));
    return true;
}

void ReplyReader::fail(Error error) {
    if (replies_ == 1) {
        trouble().error = std::move(error);
    } else {
        const bool of_node = connection::is_node_failure(error.prefix()) || error.prefix() == "READONLY";
        if (trusts() && node_failure() == nullptr && of_node) trouble().node_failure = error;
        const bool of_place = trusts() && connection::is_about_place(error.prefix());
        if (of_place && !(trouble_ && trouble_->refusal)) trouble().refusal = error;
        if (trouble_ && (of_place || error.prefix() == "EXECABORT")) trouble_->aborted_at = next_;
        sink_->fail(next_, error);
    }
    ++next_;
}

void ReplyReader::note_large(std::size_t size) {
    trouble().large = trouble().large || size > large_frame;
    trouble().further_commands += static_cast<std::uint32_t>(size / counted_frame);
}

ReplyReader::Trouble& ReplyReader::trouble() {
    if (!trouble_) trouble_ = std::make_unique<Trouble>();
    return *trouble_;
}

}  // namespace redoubt
