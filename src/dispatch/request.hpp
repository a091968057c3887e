// dispatch: the commands of one call, in whichever form its caller has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/telemetry.hpp>
#include <redoubt/connection/operation.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/encoded_commands.hpp>

#include "dispatch/first_key.hpp"

namespace redoubt::dispatch {

/// Names of commands that are encoded already; `atomic`: MULTI .. EXEC around them, which are not counted.
void describe_commands(CallInfo& call, std::string_view encoded, std::uint32_t count, bool atomic) noexcept;

/// Past either of these, commands delay small ones that share their wire.
inline constexpr std::size_t bulk_bytes = 64 * 1024;
inline constexpr std::uint32_t bulk_replies = 1000;

/// What commands of this size ask of the connection that carries them.
constexpr Demand demand_of(std::size_t encoded_bytes, std::uint32_t replies) noexcept {
    return encoded_bytes >= bulk_bytes || replies >= bulk_replies ? Demand::bulk : Demand::shared;
}

/// Borrowed for the length of the call.
class Request {
public:
    virtual std::size_t encoded_bound() const noexcept = 0;
    virtual char* encode(char* out) const noexcept = 0;

    /// The name of one of several commands; empty where it is not known. `at`: see `command_name`.
    virtual std::string_view name_of(std::uint32_t, NamesPosition&) const noexcept { return {}; }
    /// Says how many commands there are, and their common name.
    virtual void describe(CallInfo&) const noexcept {}

    /// A replica can answer it.
    virtual bool at_replicas() const noexcept { return false; }

    std::uint32_t replies() const noexcept { return replies_; }
    std::string_view name() const noexcept { return name_; }
    RetryCategory retry() const noexcept { return retry_; }
    bool atomic() const noexcept { return atomic_; }
    /// How long the server may block before it answers (BLPOP): then the call has a connection of its own, and an
    /// attempt may last so much longer. Zero: it does not block.
    Duration block_time() const noexcept { return block_time_; }
    /// Of a Cluster, in which all its keys are; `topology::any_slot`: there are none, or nobody has to know.
    std::uint16_t slot() const noexcept { return slot_; }
    void set_slot(std::uint16_t slot) noexcept { slot_ = slot; }
    /// For the scan user, where there are users of the server.
    bool scans() const noexcept { return scans_; }
    Demand demand(std::size_t encoded_bytes) const noexcept {
        return block_time_ != Duration::zero() ? Demand::exclusive : demand_of(encoded_bytes, replies_);
    }

protected:
    Request(std::uint32_t replies, std::string_view name, RetryCategory retry, bool atomic) noexcept
        : replies_(replies), name_(name), retry_(retry), atomic_(atomic) {}
    ~Request() = default;
    void set_block_time(Duration block_time) noexcept { block_time_ = block_time; }
    void set_scans(bool scans) noexcept { scans_ = scans; }

private:
    std::uint32_t replies_;
    std::string_view name_;
    RetryCategory retry_;
    bool atomic_;
    bool scans_ = false;
    std::uint16_t slot_ = no_slot;
    Duration block_time_ = Duration::zero();
};

/// One command, encoded from its arguments each time it is sent: nothing is copied before.
class ArgumentsRequest final : public Request {
public:
    ArgumentsRequest(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                     const KeyPrefix& prefix, Duration block_time = Duration::zero()) noexcept
        : Request(1, spec.name, retry, false), spec_(spec), arguments_(arguments), prefix_(prefix) {
        set_block_time(block_time);
        set_scans(spec.acl == AclGrant::scan);
    }
    ArgumentsRequest(const CommandView& command, const KeyPrefix& prefix) noexcept
        : ArgumentsRequest(command.spec(), command.retry(), command.arguments(), prefix, command.block_time()) {}
    std::size_t encoded_bound() const noexcept override { return redoubt::encoded_bound(spec_, arguments_, prefix_); }
    char* encode(char* out) const noexcept override { return redoubt::encode(spec_, arguments_, prefix_, out); }

    bool at_replicas() const noexcept override { return spec_.at_replicas && block_time() == Duration::zero(); }

private:
    const CommandSpec& spec_;
    std::span<const Argument> arguments_;
    const KeyPrefix& prefix_;
};

/// Commands that are encoded already.
class BytesRequest final : public Request {
public:
    BytesRequest(const EncodedCommands& commands, std::string_view name) noexcept
        : Request(commands.count(), name, commands.retry(), commands.atomic()),
          bytes_(commands.bytes()),
          at_replicas_(commands.at_replicas()) {
        set_block_time(commands.block_time());
        set_scans(commands.scans());
        set_slot(commands.slot());
    }
    std::size_t encoded_bound() const noexcept override { return bytes_.size(); }
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }

    bool at_replicas() const noexcept override { return at_replicas_; }
    std::string_view name_of(std::uint32_t index, NamesPosition& at) const noexcept override {
        return command_name(bytes_, index, at);
    }
    void describe(CallInfo& call) const noexcept override { describe_commands(call, bytes_, replies(), atomic()); }

private:
    std::string_view bytes_;
    bool at_replicas_;
};

}  // namespace redoubt::dispatch
