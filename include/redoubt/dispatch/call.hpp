// dispatch: what a caller says of one call, and where its replies go.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/base/read_from.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/reply.hpp>

namespace redoubt {

class CallContext;

/// What a caller says of its command's retries that the command alone does not tell. Each goes for `unknown` outcomes; what
/// was certainly not applied may be tried again in any case but `never`.
enum class RetryAs : std::uint8_t {
    never,  ///< no attempt after the first, whatever is known
    /// Twice is the same as once: a SET NX, a script or a transaction that the caller has written so. It does nothing for
    /// commands that add each time (INCR, LPUSH, XADD): of those it cannot be true.
    idempotent,
    /// Any command, INCR too, though it may then be applied more than once.
    at_least_once,
};

/// How many replicas must have confirmed a write before its call succeeds: the server's WAIT, sent behind the call's
/// commands on a connection that carries nothing else meanwhile.
///
/// Where fewer confirm in time, the call fails with RedisOperationTimeoutException of certainty `applied`: the master has
/// executed it and keeps it, but a failover at that moment may lose it. It makes such a loss unlikely, not impossible:
/// a master that is cut off may have replicas that confirm and are then not promoted (see WAIT, "Consistency").
struct ReplicaAcks {
    std::uint32_t replicas = 0;                         ///< 0: none, the server answers as soon as it has executed
    Duration within = std::chrono::milliseconds(1000);  ///< in whole milliseconds, at least one; rounded up
};

/// Overrides of the configuration for one handle's calls; what is not set stays as configured.
struct CallOptions {
    std::optional<Duration> deadline{};             ///< of the whole call; default: `operation_timeout`
    std::optional<std::uint32_t> retries{};         ///< attempts after the first; default: `max_retries`
    std::optional<bool> retry_idempotent_writes{};  ///< default: as configured
    std::optional<RetryAs> retry_as{};              ///< default: as the command's category in the command table says
    std::optional<ReadFrom> read_from{};            ///< default: as configured
    /// Default: no replica has to confirm. Commands that only read do not ask for it. Several that go to several nodes
    /// of a Cluster ask each of these. It comes on top of `operation_timeout`, and within a `deadline` of the call's own.
    ReplicaAcks replica_acks{};
    /// For a telemetry that understands it; it must live until the call has begun. Default: what surrounds the calling
    /// thread.
    const CallContext* context = nullptr;

    /// These, and `other`'s where these say nothing.
    CallOptions merged_over(const CallOptions& other) const noexcept;
};

/// Takes the replies of one call as they are read off the wire, on the thread that reads.
class ReplySink {
public:
    /// The reply to command number `index`, which is no error.
    virtual ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) = 0;
    /// Of several commands: this one was answered with an error, or its answer cannot be read. (A call of one
    /// command fails as a whole instead.)
    virtual void fail(std::uint32_t index, const Error& error) = 0;
    /// Where a long string that answers command number `index` goes byte by byte, if it is to be kept just as it comes;
    /// empty, with room for `size` bytes. nullptr: `read` wants it whole.
    virtual std::string* long_string(std::uint32_t /*index*/, std::size_t /*size*/) { return nullptr; }
    /// After the replies: the first error among the elements of one, as EXEC has them; it names its command.
    virtual std::optional<Error> inner_error() const { return std::nullopt; }

protected:
    ~ReplySink() = default;
};

/// The error of one command inside EXEC. A script can return any error after it has written, so it is `unknown`
/// unless it is certainly raised before execution.
Error error_inside_exec(std::string_view text, const KeyPrefix& prefix);
/// Of a reply that has another shape than its reader takes: what was expected, and what came.
Error error_of_shape(const ReadOutcome& outcome);

/// Where one call stands: which reply comes next, and the error of a single command. Shared by both kinds of
/// callers.
class ReplyReader {
public:
    ReplyReader(ReplySink& sink, const KeyPrefix& prefix, std::uint32_t replies, ErrorTrust trust) noexcept
        : sink_(&sink), prefix_(&prefix), replies_(replies), trust_(trust) {}

    /// False: the reply breaks isolation.
    [[nodiscard]] bool take(std::string_view frame) {
        return take(frame, [this](ReplyCursor& cursor) { return sink_->read(next_, cursor, *prefix_); });
    }
    /// The same, read by `read(cursor)`, for whoever knows the sink's type.
    template <class Read>
    [[nodiscard]] bool take(std::string_view frame, Read read) {
        // Of a frame that begins with attributes ('|') the element behind them decides.
        const char type = frame.front();
        if (type != '$' && (type == '-' || type == '!' || type == '|')) [[unlikely]] {
            if (ReplyCursor(frame).peek().is_error()) return take_error(frame);
        }
        if (frame.size() >= counted_frame) [[unlikely]]
            note_large(frame.size());
        ReplyCursor cursor(frame);
        const ReadOutcome outcome = read(cursor);
        if (!outcome) [[unlikely]]
            return refuse(outcome);
        ++next_;
        return true;
    }
    /// The same of a long string that goes to its place as it comes.
    std::string* begin_long_string(std::size_t size) { return sink_->long_string(next_, size); }
    void end_long_string(std::size_t size) {
        note_large(size);
        ++next_;
    }
    /// The next attempt begins.
    void restart() noexcept {
        next_ = 0;
        trouble_.reset();
    }
    /// Error replies may be made up by a script, which can have written before: they say nothing of what was applied.
    void distrust() noexcept { trust_ = ErrorTrust::none; }
    bool trusts() const noexcept { return trust_ != ErrorTrust::none; }
    const KeyPrefix& prefix() const noexcept { return *prefix_; }
    /// How many replies are expected; before the first.
    void expect(std::uint32_t replies) noexcept { replies_ = replies; }
    /// Something is to be looked at: an error, a failure of the node, a large reply.
    bool has_news() const noexcept { return trouble_ != nullptr; }
    void expect_news() { (void)trouble(); }
    /// All that were expected have come.
    bool is_full() const noexcept { return next_ == replies_; }
    bool was_large() const noexcept { return trouble_ && trouble_->large; }
    /// What the replies were worth beyond one command each, in commands: one for each whole `counted_frame` bytes.
    std::uint32_t further_commands() const noexcept { return trouble_ ? trouble_->further_commands : 0; }
    static constexpr std::size_t large_frame = 128 * 1024;
    static constexpr std::size_t counted_frame = 16 * 1024;
    /// How many replies have come.
    std::uint32_t taken() const noexcept { return next_; }
    /// The error of a call of one command; nullptr when there is none.
    const Error* error() const noexcept { return trouble_ && trouble_->error ? &*trouble_->error : nullptr; }
    /// Of several: a reply that tells of a node in trouble (LOADING, say), which the node's breaker is to know of.
    const Error* node_failure() const noexcept {
        return trouble_ && trouble_->node_failure ? &*trouble_->node_failure : nullptr;
    }

    /// Of a transaction: the server has refused to execute any of it, for a reason of where its keys are or how the
    /// server fares; nullptr: not so.
    const Error* refused_whole() const noexcept {
        return trouble_ && trouble_->refusal && trouble_->aborted_at + 1 == replies_ ? &*trouble_->refusal : nullptr;
    }

private:
    // Seldom there, so kept out of the way of the many calls that succeed.
    struct Trouble {
        std::optional<Error> error;
        std::optional<Error> node_failure;
        std::optional<Error> refusal;  // the first that may pass, of several commands
        std::uint32_t aborted_at = 0;
        bool large = false;
        std::uint32_t further_commands = 0;
    };

    [[nodiscard]] bool take_error(std::string_view frame);
    [[nodiscard]] bool refuse(const ReadOutcome& outcome);
    void fail(Error error);
    void note_large(std::size_t size);
    Trouble& trouble();

    ReplySink* sink_;
    const KeyPrefix* prefix_;
    std::uint32_t replies_;
    std::uint32_t next_ = 0;
    ErrorTrust trust_;
    std::unique_ptr<Trouble> trouble_;
};

}  // namespace redoubt
