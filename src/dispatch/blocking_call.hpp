// dispatch: one blocking call as the wire sees it, and who names the commands of several.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <redoubt/dispatch/call.hpp>
#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>

#include "connection/blocking_wire.hpp"
#include "dispatch/acknowledgement.hpp"
#include "dispatch/first_key.hpp"
#include "dispatch/request.hpp"
#include "pool/large_keys.hpp"

namespace redoubt::dispatch {

/// The next command may be about a slot that is on its way to this node.
inline constexpr std::string_view asking_command = "*1\r\n$6\r\nASKING\r\n";

// One blocking call on its way; lives on its caller's stack.
class BlockingCall final : public connection::BlockingOperation {
public:
    BlockingCall(const Request& request, ReplySink& sink, const KeyPrefix& prefix, ErrorTrust trust, TimePoint deadline,
                 Duration attempt_timeout, const Acknowledgement& acks = {}) noexcept
        : request_(request),
          bound_(request.encoded_bound()),
          reader_(sink, prefix, request.replies(), trust),
          acks_(acks) {
        set_atomic(request.atomic() && !acks);  // what is executed is whole before WAIT is
        set_timing(deadline, attempt_timeout);
        set_demand(acks ? Demand::exclusive : request.demand(bound_));
        expect_replies();
    }
    std::size_t encoded_bound() const noexcept override {
        return bound_ + (asking_ ? asking_command.size() : 0) + acks_.encoded_bound();
    }
    char* encode(char* out) const noexcept override {
        if (asking_) [[unlikely]]
            out += asking_command.copy(out, asking_command.size());
        return acks_.encode(request_.encode(out));
    }
    bool on_reply(std::string_view frame) override {
        if (unasked_) [[unlikely]] {
            unasked_ = false;  // the answer to ASKING; if that is refused, the command says so, too
            return true;
        }
        if (acks_ && reader_.is_full()) [[unlikely]] {
            if (reader_.error() == nullptr) shortfall_ = acks_.shortfall(frame);
            return true;
        }
        return reader_.take(frame);
    }
    /// For the next attempt; `asking`: behind ASKING, which the node wants.
    void restart(bool asking) noexcept {
        reader_.restart();
        asking_ = unasked_ = asking;
        expect_replies();
    }
    // The answers to ASKING and WAIT have no place in the caller's reply, however long a server makes them.
    std::string* begin_long_string(std::size_t size) override {
        return unasked_ || (acks_ && reader_.is_full()) ? nullptr : reader_.begin_long_string(size);
    }
    void end_long_string(std::size_t size) override { reader_.end_long_string(size); }

    ReplyReader& reader() noexcept { return reader_; }
    /// The reply is known to be large: small ones had better not wait behind it.
    void ask_for_room(pool::LargeKeys& large) {
        if (demand() == Demand::shared && large.contains(first_key(encoded_copy()))) set_demand(Demand::bulk);
    }
    void remember_large(pool::LargeKeys& large) { large.remember(first_key(encoded_copy())); }
    /// The wire's failure, else the error that the server answered with.
    std::optional<Error> outcome() const {
        if (error()) return acks_ && reader_.is_full() ? executed_unconfirmed(*error()) : error();
        if (const Error* const answered = reader_.error()) return *answered;
        return std::nullopt;
    }

    /// It was executed, but fewer replicas than its caller wants have confirmed it.
    const std::optional<Error>& shortfall() const noexcept { return shortfall_; }

    /// What the node's breaker is told: the call's error, or that of one of several commands that tells of the node.
    const Error* what_to_record(const std::optional<Error>& error) const noexcept {
        // What a script answers says nothing of the node.
        if (error && error->stage == Stage::reply && !reader_.trusts()) return nullptr;
        if (error) return &*error;
        return reader_.node_failure();
    }

private:
    void expect_replies() noexcept { set_replies(request_.replies() + (asking_ ? 1 : 0) + (acks_ ? 1 : 0)); }
    std::string encoded_copy() const {
        std::string bytes(bound_, '\0');
        bytes.resize(static_cast<std::size_t>(request_.encode(bytes.data()) - bytes.data()));
        return bytes;
    }

    const Request& request_;
    std::size_t bound_;
    ReplyReader reader_;
    const Acknowledgement acks_;
    std::optional<Error> shortfall_;
    bool asking_ = false;
    bool unasked_ = false;  // the answer to ASKING is still to come
};

// Says in the error of each of several commands which one it is, and what the call knows.
class NamingSink final : public ReplySink {
public:
    NamingSink(ReplySink& sink, const Request& request, const CallState& state,
               const std::shared_ptr<const ErrorOrigin>& origin, CallReport* report) noexcept
        : sink_(sink), request_(request), state_(state), origin_(origin), report_(report) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return sink_.read(index, cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override {
        Error described = error;
        const std::string_view name = request_.name_of(index, names_);
        state_.describe(described, name.empty() ? request_.name() : name, origin_, Clock::now());
        if (report_ != nullptr) report_->note(described);
        sink_.fail(index, described);
    }
    std::string* long_string(std::uint32_t index, std::size_t size) override { return sink_.long_string(index, size); }

private:
    ReplySink& sink_;
    const Request& request_;
    const CallState& state_;
    const std::shared_ptr<const ErrorOrigin>& origin_;
    CallReport* const report_;
    NamesPosition names_;
};

}  // namespace redoubt::dispatch
