// isolation: one project as its clients see it: its prefix, and the only way from a command to the wires.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include <redoubt/base/result.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/encoded_commands.hpp>
#include <redoubt/resp/value.hpp>

namespace redoubt {

namespace dispatch {
class ArgumentsRequest;
class Dispatcher;
struct KeyPlace;
}  // namespace dispatch

namespace isolation {

class LeasedCalls;
class ScriptGate;

/// A script to run, with what it is given.
struct ScriptCall {
    std::string_view source;
    std::string_view sha1;  ///< of the source, in hexadecimal digits
    bool read_only = false;
    std::span<const std::string_view> keys;
    std::span<const std::string_view> arguments;
};

/// Made by the factory for a checked id. Thread-safe. Every command that passes through it gets the prefix, and
/// nothing else here can reach a wire.
class Project {
public:
    using Lane = boost::asio::io_context::executor_type;

    Project(std::string id, KeyPrefix prefix, std::unique_ptr<dispatch::Dispatcher> dispatcher);
    ~Project();
    Project(const Project&) = delete;
    Project& operator=(const Project&) = delete;

    /// Empty for the unprefixed pool of `development`.
    const std::string& id() const noexcept { return id_; }
    const KeyPrefix& prefix() const noexcept { return prefix_; }

    /// One command, on this thread.
    std::optional<Error> run(const CommandView& command, ReplySink& sink, const CallOptions& options);
    /// Several, sent as one piece.
    std::optional<Error> run(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                             const CallOptions& options);
    /// One given as words.
    result<Value> run_raw(std::span<const std::string_view> words, const CallOptions& options);

    /// It may be appended just so to `into`, which is empty; in a Cluster `into` knows its place then.
    bool is_plain(const CommandView& command, EncodedCommands& into) const noexcept {
        if (spread_) [[unlikely]]
            return place_by_first_key(command, into);
        return command.invalid().empty();
    }
    /// Encodes behind what is there; an error when the command may not be sent.
    std::optional<Error> encode(const CommandView& command, EncodedCommands& into) const {
        if (!command.invalid().empty()) return invalid(command);
        if (spread_) [[unlikely]] {
            if (std::optional<Error> refused = place(command.spec(), command.retry(), command.arguments(), into)) {
                return refused;
            }
        }
        into.append(command, prefix_);
        return std::nullopt;
    }
    /// The same of a command that is a call of its own: one whose keys are in several slots of a Cluster may become several.
    std::optional<Error> encode_alone(const CommandView& command, EncodedCommands& into) const;
    /// The same of words; `rule` says how the reply is to be read.
    std::optional<Error> encode_raw(std::span<const std::string_view> words, EncodedCommands& into,
                                    ReplyRule& rule) const;

    // Scripts. Each is refused unless the gate lets it pass; nobody else can send one.
    /// On this thread; loads it where the server does not have it.
    std::optional<Error> run_script(const ScriptCall& call, ReplySink& sink, const CallOptions& options);
    /// It is sent as a transaction of its own (script_in_exec.hpp).
    bool wraps_scripts() const noexcept { return spread_; }
    /// For async calls, which ask the gate first: EVALSHA, SCRIPT EXISTS and SCRIPT LOAD.
    std::optional<Error> encode_script(const ScriptCall& call, EncodedCommands& into) const;
    std::optional<Error> encode_script_exists(const ScriptCall& call, EncodedCommands& into) const;
    std::optional<Error> encode_script_load(const ScriptCall& call, EncodedCommands& into) const;
    /// Null: this project may not run scripts; see `no_scripts`.
    ScriptGate* script_gate() const noexcept { return script_gate_.get(); }
    /// Before the project is used.
    void set_script_gate(std::shared_ptr<ScriptGate> gate) noexcept { script_gate_ = std::move(gate); }
    static Error no_scripts();
    /// Of a call that begins now.
    TimePoint deadline_of(const CallOptions& options, TimePoint now) const;

    /// A connection of one's own on which this command (WATCH) was answered.
    result<std::unique_ptr<LeasedCalls>> lease_with(const CommandView& command, ReplySink& sink,
                                                    const CallOptions& options);
    /// Where all commands of a transaction must go: an error when that is more than one place.
    std::optional<Error> check_transaction(const EncodedCommands& commands) const;

    /// The loop on which its async calls live.
    const Lane& lane() const noexcept { return lane_; }
    dispatch::Dispatcher& dispatcher() noexcept { return *dispatcher_; }
    /// An error of this project that was found before anything was sent.
    Error refusal(Error error, std::string_view operation) const;
    /// Tells the telemetry of a blocking call that ends here with such an error.
    void report_refusal(const Error& error, std::string_view operation, const CallOptions& options) const;

private:
    std::optional<Error> refuse_call(Error error, std::string_view operation, const CallOptions& options) const;
    std::optional<Error> invalid(const CommandView& command) const;
    bool place_by_first_key(const CommandView& command, EncodedCommands& into) const noexcept;
    std::optional<Error> place(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                               EncodedCommands& into) const;
    std::optional<Error> encode_over_slots(const CommandSpec& spec, RetryCategory retry,
                                           std::span<const Argument> arguments, Duration block_time,
                                           EncodedCommands& into) const;
    std::optional<Error> spread_out(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                                    const dispatch::KeyPlace& place, EncodedCommands& into) const;
    /// Where the keys are in one slot, as `request`; else as several commands, where that can be.
    std::optional<Error> run_spread(const CommandSpec& spec, std::span<const Argument> arguments,
                                    dispatch::ArgumentsRequest& request, ReplySink& sink, const CallOptions& options);
    std::uint16_t slot_of(const ScriptCall& call) const;
    std::optional<Error> evaluate(const ScriptCall& call, ReplySink& sink, const CallOptions& options);
    std::optional<Error> run_at(std::uint16_t slot, const CommandView& command, ReplySink& sink,
                                const CallOptions& options);
    /// Why a command may not be sent where the project has a user of its own at the server that is not granted it.
    std::optional<Error> without_grant(const CommandSpec& spec) const;

    std::string id_;
    KeyPrefix prefix_;
    std::unique_ptr<dispatch::Dispatcher> dispatcher_;
    std::shared_ptr<ScriptGate> script_gate_;
    Lane lane_;
    bool spread_;  // over the nodes of a Cluster
};

/// Calls on one leased connection, in order. It is closed when this is destroyed, unless `set_clean` said that
/// nothing is left behind on it. One thread at a time.
class LeasedCalls {
public:
    virtual ~LeasedCalls() = default;
    virtual std::optional<Error> run(const CommandView& command, ReplySink& sink, const CallOptions& options) = 0;
    virtual std::optional<Error> run(const EncodedCommands& commands, std::string_view name, ReplySink& sink,
                                     const CallOptions& options) = 0;
    virtual void set_clean(bool clean) noexcept = 0;
};

}  // namespace isolation
}  // namespace redoubt
