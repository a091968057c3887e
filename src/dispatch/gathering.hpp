// dispatch: commands of one call that go to several nodes of a Cluster: which of them are sent together, whose answer is
// whose, and which are sent again. Pure; the same for callers of both kinds.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/encoded_commands.hpp>

namespace redoubt::dispatch {

/// Rounds: first the commands of each node together. Those that are answered with MOVED are spread anew once, by what has
/// been learnt of the map; whatever else may pass, and whatever is moved again, is sent alone, since a call of one command
/// is followed and tried again by itself. Numbers are those of the commands in the call, and parts keep their order.
class Gathering {
public:
    using Part = std::vector<std::uint32_t>;
    using NodeOf = std::function<const void*(std::uint16_t slot)>;

    /// Both must live as long as this.
    Gathering(const EncodedCommands& commands, ReplySink& sink) : commands_(commands), sink_(sink) {}

    /// What is to be sent now. Empty: every command has its answer. To be called when all parts of the last round have.
    std::vector<Part> next(const NodeOf& node_of);
    /// The slot by which a part is sent.
    std::uint16_t slot_of(const Part& part) const;

    ReadOutcome read(std::uint32_t command, ReplyCursor& cursor, const KeyPrefix& prefix) {
        return sink_.read(command, cursor, prefix);
    }
    std::string* long_string(std::uint32_t command, std::size_t size) { return sink_.long_string(command, size); }
    /// One of several that were sent together was answered with an error.
    void fail(std::uint32_t command, const Error& error);
    /// The part as a whole has failed, after so many answers. After all of them: its commands were executed, but not
    /// confirmed as the caller wants it.
    void fail_rest(const Part& part, std::uint32_t answered, const Error& error);
    /// Of the first part that was executed and not confirmed.
    const std::optional<Error>& unconfirmed() const noexcept { return unconfirmed_; }
    /// Nothing is sent again.
    void stop() noexcept { stopped_ = true; }

private:
    struct Again {
        std::uint32_t command;
        Error error;
    };
    const EncodedCommands& commands_;
    ReplySink& sink_;
    std::vector<Again> again_;
    std::optional<Error> unconfirmed_;
    unsigned round_ = 0;
    bool all_moved_ = true;  // those of `again_`
    bool stopped_ = false;
};

/// Takes the answers of a part on behalf of the whole.
class PartSink final : public ReplySink {
public:
    PartSink(Gathering& gathering, const Gathering::Part& part) noexcept : gathering_(gathering), part_(part) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        answered_ = index + 1;
        return gathering_.read(part_[index], cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override {
        answered_ = index + 1;
        gathering_.fail(part_[index], error);
    }
    std::string* long_string(std::uint32_t index, std::size_t size) override {
        answered_ = index;  // it may end half way
        return gathering_.long_string(part_[index], size);
    }
    /// Commands whose answers have certainly come, in their order; an error of a lone command is not among them.
    std::uint32_t answered() const noexcept { return answered_; }

private:
    Gathering& gathering_;
    const Gathering::Part& part_;
    std::uint32_t answered_ = 0;
};

/// Makes one reply of those of a command that was split over slots.
class JointSink final : public ReplySink {
public:
    /// See `topology::Router::shard_from`.
    using ShardFrom = std::function<std::optional<std::uint16_t>(std::uint32_t slot)>;
    JointSink(const EncodedCommands& commands, ShardFrom shard_from)
        : joint_(*commands.joint()),
          slot_(commands.places().front().slot),
          shard_from_(std::move(shard_from)),
          values_(joint_.count) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override;
    void fail(std::uint32_t index, const Error& error) override;
    /// All have answered: gives the reply to whoever made the command, or says what became of which keys.
    std::optional<Error> finish(ReplySink& sink, const KeyPrefix& prefix, std::string_view name);

private:
    Error partial_failure(std::string_view name) const;
    ReadOutcome read_page(ReplyCursor& cursor);
    std::string page() const;

    struct Failed {
        std::uint32_t command;
        Error error;
    };
    const EncodedCommands::Joint& joint_;
    const std::uint16_t slot_;  // of a SCAN: by which its node is known
    const ShardFrom shard_from_;
    std::uint64_t cursor_ = 0;         // of a SCAN: at its node
    std::vector<std::string> values_;  // replies of single keys, as they came; of a SCAN the page's keys
    std::int64_t sum_ = 0;
    std::vector<Failed> failed_;
};

}  // namespace redoubt::dispatch
