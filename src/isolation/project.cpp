// isolation: a project; see its header.
#include <redoubt/isolation/project.hpp>

#include <algorithm>
#include <utility>

#include <redoubt/base/isolation_counters.hpp>
#include <redoubt/isolation/script_gate.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "dispatch/dispatcher.hpp"
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

class Leased final : public LeasedCalls {
public:
    Leased(Project& project, pool::Lease lease) : project_(project), lease_(std::move(lease)) {}

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
        return project_.dispatcher().run_on(lease_, dispatch::BytesRequest(commands, name), sink, project_.prefix(),
                                            options, ErrorTrust::if_before_execution);
    }
    void set_clean(bool clean) noexcept override { lease_.set_clean(clean); }

private:
    Project& project_;
    pool::Lease lease_;
};

}  // namespace

Project::Project(std::string id, KeyPrefix prefix, std::unique_ptr<dispatch::Dispatcher> dispatcher)
    : id_(std::move(id)), prefix_(std::move(prefix)), dispatcher_(std::move(dispatcher)), lane_(dispatcher_->lane()) {}

Project::~Project() = default;

std::optional<Error> Project::run(const CommandView& command, ReplySink& sink, const CallOptions& options) {
    if (!command.invalid().empty()) return refuse_call(isolation::invalid(command), command.name(), options);
    const dispatch::ArgumentsRequest request(command, prefix_);
    return dispatcher_->run(request, sink, prefix_, options);
}

std::optional<Error> Project::run(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                                  const CallOptions& options) {
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
    const dispatch::ArgumentsRequest request(command->spec(), command->retry(), command->arguments(), prefix_,
                                             command->block_time());
    if (std::optional<Error> error = dispatcher_->run(request, sink, prefix_, options)) return *error;
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
    const Command<Value> command = cmd::evalsha(call.read_only, call.sha1, call.keys, call.arguments);
    if (!script_gate_) return refuse_call(no_scripts(), command.name(), options);
    if (std::optional<Error> closed = script_gate_->refusal(deadline)) {
        return refuse_call(std::move(*closed), command.name(), options);
    }
    std::optional<Error> error = run(command, sink, time_left());
    if (!error || error->prefix() != "NOSCRIPT") return error;

    // A script can answer so itself, behind its writes. Where the server does not have it, it was certainly not run.
    CacheSink cache;
    if (std::optional<Error> failed = run(cmd::script_exists(call.sha1), cache, time_left())) return error;
    if (cache.has_it) return error;
    NoSink ignored;
    if (std::optional<Error> failed = run(cmd::script_load(call.source), ignored, time_left())) return failed;
    return run(command, sink, time_left());
}

std::optional<Error> Project::encode_script_exists(const ScriptCall& call, EncodedCommands& into) const {
    const Command<std::vector<bool>> command = cmd::script_exists(call.sha1);
    return script_gate_ ? encode(command, into) : refusal(no_scripts(), command.name());
}

std::optional<Error> Project::encode_script(const ScriptCall& call, EncodedCommands& into) const {
    const Command<Value> command = cmd::evalsha(call.read_only, call.sha1, call.keys, call.arguments);
    return script_gate_ ? encode(command, into) : refusal(no_scripts(), command.name());
}

std::optional<Error> Project::encode_script_load(const ScriptCall& call, EncodedCommands& into) const {
    const Command<std::string> command = cmd::script_load(call.source);
    return script_gate_ ? encode(command, into) : refusal(no_scripts(), command.name());
}

result<std::unique_ptr<LeasedCalls>> Project::lease(std::string_view operation, const CallOptions& options) {
    result<pool::Lease> lease = dispatcher_->lease(operation, options);
    if (!lease) return lease.error();
    return std::unique_ptr<LeasedCalls>(std::make_unique<Leased>(*this, std::move(*lease)));
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
