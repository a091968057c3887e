// isolation: a project; see its header.
#include <redoubt/isolation/project.hpp>

#include <algorithm>
#include <utility>

#include <redoubt/base/isolation_counters.hpp>
#include <redoubt/isolation/script_gate.hpp>
#include <redoubt/isolation/script_in_exec.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "dispatch/command_slot.hpp"
#include "dispatch/dispatcher.hpp"
#include "dispatch/split_command.hpp"
#include "isolation/raw_command.hpp"
#include "resp/cmd_scripts.hpp"

namespace redoubt::isolation {
namespace {

Error invalid(const CommandView& command) {
    return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission, command.invalid());
}

// Reads the one reply of a raw command.
class RawSink final : public ReplySink {
public:
    explicit RawSink(ReplyRule rule) noexcept : rule_(rule) {}
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return read_raw_reply(cursor, prefix, rule_, value);
    }
    void fail(std::uint32_t, const Error&) override {}  // one command fails as a whole

    Value value;

private:
    ReplyRule rule_;
};

/// The answer to SCRIPT EXISTS of one script.
class CacheSink final : public ReplySink {
public:
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        std::vector<bool> answer;
        const ReadOutcome outcome = read_reply(cursor, prefix, answer);
        if (outcome) has_it = answer.size() != 1 || answer.front();
        return outcome;
    }
    void fail(std::uint32_t, const Error&) override {}
    bool has_it = true;
};

class NoSink final : public ReplySink {
public:
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix&) override {
        cursor.skip();
        return ReadOutcome::ok();
    }
    void fail(std::uint32_t, const Error&) override {}
};

Command<Value> evalsha_of(const ScriptCall& call) {
    return cmd::evalsha(call.read_only, call.sha1, call.keys, call.arguments);
}

class ExecSink final : public ReplySink {
public:
    explicit ExecSink(ReplySink& sink) noexcept : sink_(sink) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return replies.read(index, cursor, prefix, [&](ReplyCursor& at) { return sink_.read(0, at, prefix); });
    }
    void fail(std::uint32_t index, const Error& error) override { replies.fail(index, error); }
    ScriptInExec replies;

private:
    ReplySink& sink_;
};

class Leased final : public LeasedCalls {
public:
    Leased(Project& project, pool::Lease lease, std::uint16_t slot)
        : project_(project), lease_(std::move(lease)), slot_(slot) {}

    std::optional<Error> run(const CommandView& command, ReplySink& sink, const CallOptions& options) override {
        if (!command.invalid().empty()) {
            Error refused = project_.refusal(isolation::invalid(command), command.name());
            project_.report_refusal(refused, command.name(), options);
            return refused;
        }
        const dispatch::ArgumentsRequest request(command, project_.prefix());
        return project_.dispatcher().run_on(lease_, request, sink, project_.prefix(), options, ErrorTrust::full);
    }
    std::optional<Error> run(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                             const CallOptions& options) override {
        if (slot_ != no_slot && commands.slot() != no_slot && slot_ != commands.slot()) {
            Error refused = project_.refusal(dispatch::watched_elsewhere_error(), name);
            project_.report_refusal(refused, name, options);
            return refused;
        }
        return project_.dispatcher().run_on(lease_, dispatch::BytesRequest(commands, name), sink, project_.prefix(),
                                            options, ErrorTrust::if_before_execution);
    }
    void set_clean(bool clean) noexcept override { lease_.set_clean(clean); }

private:
    Project& project_;
    pool::Lease lease_;
    std::uint16_t slot_;
};

}  // namespace

Project::Project(std::string id, KeyPrefix prefix, std::unique_ptr<dispatch::Dispatcher> dispatcher)
    : id_(std::move(id)),
      prefix_(std::move(prefix)),
      dispatcher_(std::move(dispatcher)),
      lane_(dispatcher_->lane()),
      spread_(dispatcher_->is_spread()) {
    if (spread_) dispatcher_->set_key_slots(topology::KeySlots(prefix_.view()));
}

Project::~Project() = default;

std::optional<Error> Project::run(const CommandView& command, ReplySink& sink, const CallOptions& options) {
    if (!command.invalid().empty()) return refuse_call(isolation::invalid(command), command.name(), options);
    dispatch::ArgumentsRequest request(command, prefix_);
    if (spread_) [[unlikely]]
        return run_spread(command.spec(), command.arguments(), request, sink, options);
    return dispatcher_->run(request, sink, prefix_, options);
}

std::optional<Error> Project::run_spread(const CommandSpec& spec, std::span<const Argument> arguments,
                                         dispatch::ArgumentsRequest& request, ReplySink& sink,
                                         const CallOptions& options) {
    const topology::KeySlots& slots = dispatcher_->key_slots();
    const dispatch::KeyPlace place = dispatch::place_of(spec, arguments, slots);
    if (place.other == 0 && spec.reply != ReplyRule::scan_page) {
        request.set_slot(place.slot);
        return dispatcher_->run(request, sink, prefix_, options);
    }
    EncodedCommands several;
    if (std::optional<Error> refused = spread_out(spec, request.retry(), arguments, place, several)) {
        return refuse_call(std::move(*refused), spec.name, options);
    }
    return dispatcher_->run_parts(several, spec.name, sink, prefix_, options);
}

// One whose keys are in several slots, or that has none and walks all nodes.
std::optional<Error> Project::spread_out(const CommandSpec& spec, RetryCategory retry,
                                         std::span<const Argument> arguments, const dispatch::KeyPlace& place,
                                         EncodedCommands& into) const {
    if (spec.reply == ReplyRule::scan_page) {
        const auto shard_from = [this](std::uint32_t slot) { return dispatcher_->router().shard_from(slot); };
        std::optional<Error> refused = dispatch::place_scan(spec, retry, arguments, prefix_, shard_from, into);
        if (refused) return refusal(std::move(*refused), spec.name);
        return refused;
    }
    const topology::KeySlots& slots = dispatcher_->key_slots();
    if (dispatch::split_over_slots(spec, retry, arguments, prefix_, slots, into)) return std::nullopt;
    return refusal(dispatch::cross_slot_error(spec, place), spec.name);
}

bool Project::place_by_first_key(const CommandView& command, EncodedCommands& into) const noexcept {
    if (!command.invalid().empty() || !dispatch::begins_with_its_only_key(command.spec(), command.arguments())) {
        return false;
    }
    into.set_slot(dispatcher_->key_slots()(command.arguments().front().as_text()));
    return true;
}

std::optional<Error> Project::encode_alone(const CommandView& command, EncodedCommands& into) const {
    if (!spread_) return encode(command, into);
    if (!command.invalid().empty()) return invalid(command);
    return encode_over_slots(command.spec(), command.retry(), command.arguments(), command.block_time(), into);
}

std::optional<Error> Project::encode_over_slots(const CommandSpec& spec, RetryCategory retry,
                                                std::span<const Argument> arguments, Duration block_time,
                                                EncodedCommands& into) const {
    const dispatch::KeyPlace place = dispatch::place_of(spec, arguments, dispatcher_->key_slots());
    if (place.other != 0 || spec.reply == ReplyRule::scan_page) return spread_out(spec, retry, arguments, place, into);
    into.add_place(place.slot, retry);
    into.append(spec, retry, arguments, prefix_, block_time);
    return std::nullopt;
}

std::optional<Error> Project::place(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                                    EncodedCommands& into) const {
    const dispatch::KeyPlace place = dispatch::place_of(spec, arguments, dispatcher_->key_slots());
    if (place.other != 0) return refusal(dispatch::cross_slot_error(spec, place), spec.name);
    if (spec.reply == ReplyRule::scan_page) {
        return refusal(
            Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                      "in a Cluster a SCAN walks all nodes, so that it is a call of its own: not in a pipeline "
                      "or a transaction"),
            spec.name);
    }
    into.add_place(place.slot, retry);
    return std::nullopt;
}

std::optional<Error> Project::check_transaction(const EncodedCommands& commands) const {
    if (!spread_ || commands.slot() != many_slots) return std::nullopt;
    return refusal(dispatch::cross_slot_error(commands), "MULTI");
}

std::optional<Error> Project::run(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                                  const CallOptions& options) {
    if (commands.slot() == many_slots && !commands.atomic()) {
        return dispatcher_->run_parts(commands, name, sink, prefix_, options);
    }
    return dispatcher_->run(dispatch::BytesRequest(commands, name), sink, prefix_, options);
}

result<Value> Project::run_raw(std::span<const std::string_view> words, const CallOptions& options) {
    const result<RawCommand> command = RawCommand::parse(words);
    if (!command) return *refuse_call(command.error(), {}, options);
    if (std::optional<Error> refused = without_grant(command->spec())) {
        report_refusal(*refused, command->spec().name, options);
        return *refused;
    }
    RawSink sink(command->spec().reply);
    dispatch::ArgumentsRequest request(command->spec(), command->retry(), command->arguments(), prefix_,
                                       command->block_time());
    std::optional<Error> error = spread_ ? run_spread(command->spec(), command->arguments(), request, sink, options)
                                         : dispatcher_->run(request, sink, prefix_, options);
    if (error) return *error;
    return std::move(sink.value);
}

std::optional<Error> Project::invalid(const CommandView& command) const {
    return refusal(isolation::invalid(command), command.name());
}

std::optional<Error> Project::encode_raw(std::span<const std::string_view> words, EncodedCommands& into,
                                         ReplyRule& rule) const {
    const result<RawCommand> command = RawCommand::parse(words);
    if (!command) return refusal(command.error(), {});
    if (std::optional<Error> refused = without_grant(command->spec())) return refused;
    rule = command->spec().reply;
    if (spread_) {
        return encode_over_slots(command->spec(), command->retry(), command->arguments(), command->block_time(), into);
    }
    into.append(command->spec(), command->retry(), command->arguments(), prefix_, command->block_time());
    return std::nullopt;
}

std::optional<Error> Project::without_grant(const CommandSpec& spec) const {
    if (spec.acl != AclGrant::none || !dispatcher_->has_own_user()) return std::nullopt;
    std::string text{spec.name};
    text += " is refused: the server's own check of its keys can be escaped, so with acl_users no user is granted it";
    if (spec.name.starts_with("GEORADIUS")) text += "; use GEOSEARCH, GEOSEARCHSTORE or the form that ends in _RO";
    if (spec.name == "PFMERGE") text += "; PFCOUNT of several keys counts their union";
    return refusal(Error::with_detail(ErrorKind::isolation, Certainty::not_sent, Stage::admission, std::move(text)),
                   spec.name);
}

Error Project::no_scripts() {
    return Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission,
                     "a script can reach keys that it does not declare, so it is refused unless script_projects lists "
                     "the project, acl_users gives it a user of its own, and the server is patched");
}

// "Never" is the largest duration.
TimePoint Project::deadline_of(const CallOptions& options, TimePoint now) const {
    const Duration longest = options.deadline.value_or(dispatcher_->settings().operation_timeout);
    return longest > TimePoint::max() - now ? TimePoint::max() : now + longest;
}

std::optional<Error> Project::run_script(const ScriptCall& call, ReplySink& sink, const CallOptions& options) {
    const TimePoint deadline = deadline_of(options, Clock::now());
    const auto time_left = [&] {
        CallOptions rest = options;
        rest.deadline = std::max(deadline - Clock::now(), Duration::zero());
        return rest;
    };
    const std::string_view name = evalsha_of(call).name();
    if (!script_gate_) return refuse_call(no_scripts(), name, options);
    if (std::optional<Error> closed = script_gate_->refusal(deadline)) {
        return refuse_call(std::move(*closed), name, options);
    }
    std::optional<Error> error = evaluate(call, sink, time_left());
    if (!error || error->prefix() != "NOSCRIPT") return error;

    // A script can answer so itself, behind its writes. Where the server does not have it, it was certainly not run.
    const std::uint16_t slot = slot_of(call);
    CacheSink cache;
    if (std::optional<Error> failed = run_at(slot, cmd::script_exists(call.sha1), cache, time_left())) return error;
    if (cache.has_it) return error;
    NoSink ignored;
    if (std::optional<Error> failed = run_at(slot, cmd::script_load(call.source), ignored, time_left())) return failed;
    return evaluate(call, sink, time_left());
}

std::optional<Error> Project::evaluate(const ScriptCall& call, ReplySink& sink, const CallOptions& options) {
    const Command<Value> command = evalsha_of(call);
    if (!spread_) return run(command, sink, options);
    EncodedCommands commands;
    if (std::optional<Error> refused = encode_script(call, commands)) {
        report_refusal(*refused, command.name(), options);
        return refused;
    }
    ExecSink wrapped(sink);
    if (std::optional<Error> error = run(commands, command.name(), wrapped, options)) return error;
    return wrapped.replies.error();
}

// Every node has scripts of its own: what is done for one is done where its keys are.
std::uint16_t Project::slot_of(const ScriptCall& call) const {
    if (!spread_) return no_slot;
    const Command<Value> command = evalsha_of(call);
    return dispatch::place_of(command.spec(), command.arguments(), dispatcher_->key_slots()).slot;
}

std::optional<Error> Project::run_at(std::uint16_t slot, const CommandView& command, ReplySink& sink,
                                     const CallOptions& options) {
    dispatch::ArgumentsRequest request(command, prefix_);
    request.set_slot(slot);
    return dispatcher_->run(request, sink, prefix_, options);
}

std::optional<Error> Project::encode_script_exists(const ScriptCall& call, EncodedCommands& into) const {
    const Command<std::vector<bool>> command = cmd::script_exists(call.sha1);
    if (!script_gate_) return refusal(no_scripts(), command.name());
    if (spread_) into.set_slot(slot_of(call));
    return encode(command, into);
}

std::optional<Error> Project::encode_script(const ScriptCall& call, EncodedCommands& into) const {
    const Command<Value> command = evalsha_of(call);
    if (!script_gate_) return refusal(no_scripts(), command.name());
    if (!spread_) return encode(command, into);
    into.append(cmd::build<Ok>(cmd::spec_of("MULTI")), prefix_);
    std::optional<Error> refused = encode(command, into);
    into.append(cmd::build<Ok>(cmd::spec_of("EXEC")), prefix_);
    into.set_atomic();
    return refused;
}

std::optional<Error> Project::encode_script_load(const ScriptCall& call, EncodedCommands& into) const {
    const Command<std::string> command = cmd::script_load(call.source);
    if (!script_gate_) return refusal(no_scripts(), command.name());
    if (spread_) into.set_slot(slot_of(call));
    return encode(command, into);
}

result<std::unique_ptr<LeasedCalls>> Project::lease_with(const CommandView& command, ReplySink& sink,
                                                         const CallOptions& options) {
    std::optional<Error> refused;
    if (!command.invalid().empty()) refused = invalid(command);
    dispatch::ArgumentsRequest request(command, prefix_);
    if (!refused && spread_) {
        const dispatch::KeyPlace place =
            dispatch::place_of(command.spec(), command.arguments(), dispatcher_->key_slots());
        if (place.other != 0) refused = refusal(dispatch::cross_slot_error(command.spec(), place), command.name());
        request.set_slot(place.slot);
    }
    if (refused) {
        report_refusal(*refused, command.name(), options);
        return *refused;
    }
    result<pool::Lease> lease = dispatcher_->lease_with(request, sink, prefix_, options);
    if (!lease) return lease.error();
    return std::unique_ptr<LeasedCalls>(std::make_unique<Leased>(*this, std::move(*lease), request.slot()));
}

void Project::report_refusal(const Error& error, std::string_view operation, const CallOptions& options) const {
    dispatcher_->report_refusal(operation, error, options);
}

std::optional<Error> Project::refuse_call(Error error, std::string_view operation, const CallOptions& options) const {
    Error refused = refusal(std::move(error), operation);
    report_refusal(refused, operation, options);
    return refused;
}

Error Project::refusal(Error error, std::string_view operation) const {
    if (error.kind == ErrorKind::isolation) isolation_counters().refusals.fetch_add(1, std::memory_order_relaxed);
    error.origin = dispatcher_->origin();
    if (error.operation.empty()) error.operation = operation;
    return error;
}

}  // namespace redoubt::isolation
