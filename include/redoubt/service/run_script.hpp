// service: scripts from coroutines.
#pragma once

#include <algorithm>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/isolation/script_gate.hpp>
#include <redoubt/isolation/script_in_exec.hpp>
#include <redoubt/resp/read_reply.hpp>
#include <redoubt/service/execution.hpp>
#include <redoubt/service/script.hpp>

namespace redoubt::service {

/// A script with what it is given, on its way through a coroutine.
class OwnedScriptCall {
public:
    OwnedScriptCall(const Script& script, std::span<const std::string_view> keys,
                    std::span<const std::string_view> arguments)
        : script_(script), texts_(keys.begin(), keys.end()), keys_(keys.size()) {
        texts_.insert(texts_.end(), arguments.begin(), arguments.end());
    }
    /// Calls `use` with a view of it.
    template <class Use>
    auto with_view(const Use& use) const {
        const std::vector<std::string_view> views(texts_.begin(), texts_.end());
        const std::span<const std::string_view> all(views);
        return use(isolation::ScriptCall{script_.source(), script_.sha1(), script_.read_only(), all.first(keys_),
                                         all.subspan(keys_)});
    }

private:
    Script script_;
    std::vector<std::string> texts_;
    std::size_t keys_;
};

/// The reply of a script, which may be sent as a transaction of its own.
template <class T>
class ScriptReply {
public:
    using value_type = T;
    explicit ScriptReply(bool wrapped) noexcept : wrapped_(wrapped) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) {
        const auto inner = [&](ReplyCursor& at) { return read_reply(at, prefix, value_); };
        return wrapped_ ? in_exec_.read(index, cursor, prefix, inner) : inner(cursor);
    }
    void fail(std::uint32_t index, const Error& error) { in_exec_.fail(index, error); }
    result<T> take() {
        if (in_exec_.error()) return result<T>(boost::system::in_place_error, *in_exec_.error());
        return result<T>(boost::system::in_place_value, std::move(value_));
    }

private:
    T value_{};
    isolation::ScriptInExec in_exec_;
    bool wrapped_;
};

/// One step of it: EVALSHA, SCRIPT EXISTS or SCRIPT LOAD. `wrapped`: it is a transaction, in which it is known what the
/// server says itself.
template <class T, class Encode>
auto script_step(const Handle& handle, TimePoint deadline, std::string_view name, bool wrapped, const Encode& encode) {
    CallOptions options = handle.options();
    options.deadline = std::max(deadline - Clock::now(), Duration::zero());
    return make_operation<ScriptReply<T>, ResultCompletion>(handle.with(options), name, ScriptReply<T>(wrapped),
                                                            [&](dispatch::AsyncCall& call) {
                                                                if (!wrapped) call.distrust_errors();
                                                                if (auto refused = encode(call.commands()))
                                                                    call.refuse(std::move(*refused));
                                                            });
}

template <class T>
boost::asio::awaitable<T> run_script(Handle handle, OwnedScriptCall script) {
    using boost::asio::use_awaitable;
    const isolation::Project& project = *handle.project;
    const TimePoint deadline = project.deadline_of(handle.options(), Clock::now());
    isolation::ScriptGate* const gate = project.script_gate();
    const auto refuse = [&](Error why) {
        const Error refused = project.refusal(std::move(why), "EVALSHA");
        project.report_refusal(refused, "EVALSHA", handle.options());
        raise(refused);
    };
    if (gate == nullptr) refuse(isolation::Project::no_scripts());
    if (const std::optional<Error> closed = co_await gate->async_refusal(deadline)) refuse(*closed);
    const auto evaluate = [&] {
        return script_step<T>(handle, deadline, "EVALSHA", project.wraps_scripts(), [&](EncodedCommands& into) {
            return script.with_view(
                [&](const isolation::ScriptCall& call) { return project.encode_script(call, into); });
        });
    };
    result<T> outcome = co_await evaluate()(use_awaitable);
    if (outcome || outcome.error().prefix() != "NOSCRIPT") co_return std::move(outcome).value();

    // A script can answer so itself, behind its writes. Where the server does not have it, it was certainly not run.
    auto ask = script_step<std::vector<bool>>(handle, deadline, "SCRIPT EXISTS", false, [&](EncodedCommands& into) {
        return script.with_view(
            [&](const isolation::ScriptCall& call) { return project.encode_script_exists(call, into); });
    });
    const result<std::vector<bool>> cached = co_await std::move(ask)(use_awaitable);
    if (!cached || cached->size() != 1 || cached->front()) co_return std::move(outcome).value();
    auto load = script_step<std::string>(handle, deadline, "SCRIPT LOAD", false, [&](EncodedCommands& into) {
        return script.with_view(
            [&](const isolation::ScriptCall& call) { return project.encode_script_load(call, into); });
    });
    const result<std::string> loaded = co_await std::move(load)(use_awaitable);
    if (!loaded) raise(loaded.error());
    outcome = co_await evaluate()(use_awaitable);
    co_return std::move(outcome).value();
}

}  // namespace redoubt::service
