// dispatch: one async call: the node that travels through pool and wire and ends in its caller's handler.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include <redoubt/connection/operation.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/dispatch/call_report.hpp>
#include <redoubt/dispatch/call_state.hpp>
#include <redoubt/resp/encoded_commands.hpp>

namespace redoubt::pool {
class Node;
class Pool;
class Tenant;
}  // namespace redoubt::pool

namespace redoubt::dispatch {

class Acknowledgement;
class Dispatcher;
class JointSink;
class Scatter;

/// Everything of an async call but its handler and the type of its reply. It is made when the operation is, its commands
/// encoded in place; from `start` on it belongs to itself: `finish` is called exactly once and destroys it.
class AsyncCall : public Operation, protected ReplySink {
public:
    using Lane = boost::asio::io_context::executor_type;

    /// What will be sent; to be filled before `start`.
    EncodedCommands& commands() noexcept { return commands_; }
    /// An error found before (isolation, a bad argument), which the call will end with. The first stays.
    void refuse(Error&& refusal);

    /// See ReplyReader; before `start`.
    void distrust_errors() noexcept { reader_.distrust(); }

    /// It wants a connection of its own, whatever its commands are; before `start`. See `Operation::hold`.
    void want_own_connection() { rare().own_connection = true; }

    /// There are no commands (an empty batch): it ends at once. Else there is at least one.
    void expect_nothing();

    /// Null: there are none.
    const CallOptions* options() const noexcept { return state_.options(); }
    std::string_view name() const noexcept { return name_; }
    /// Those of another, with what was wrong with them.
    void copy_commands(const AsyncCall& other);

    /// Begins the call, from any thread; it never finishes inside this function.
    void start() noexcept;
    /// The part of `start` that runs on the lane.
    void start_on_lane() noexcept;
    /// The caller cancels, on the lane. An unwritten command leaves the queue; a written one is given up only
    /// when `also_written`, leaving a tombstone that swallows its reply.
    void cancel(bool also_written);

    /// The loop it lives on is being destroyed: destroys it, and its handler with it.
    void abandon() noexcept;

    /// The service closes: a pause between two attempts ends now, on the lane, and the next attempt says why.
    void interrupt();

    /// The call that submitted this operation to a pool.
    static AsyncCall& of(Operation& operation) noexcept;

    std::string_view ordering_key() const noexcept final;
    std::string* begin_long_string(std::size_t size) final { return reader_.begin_long_string(size); }
    void end_long_string(std::size_t size) final { reader_.end_long_string(size); }
    void on_complete() final;
    void on_failure(const Error& error, FailureSource source) final;

protected:
    /// `options` must live as long; null: there are none.
    AsyncCall(Dispatcher& dispatcher, const KeyPrefix& prefix, const CallOptions* options,
              std::string_view name) noexcept
        : dispatcher_(dispatcher), reader_(*this, prefix, 1, ErrorTrust::full), state_(options), name_(name) {}
    ~AsyncCall() override = default;

    /// How the handler is called.
    enum class Ending : std::uint8_t {
        direct,     ///< before `finish` returns, if it belongs to the lane; what it throws passes
        posted,     ///< to its executor
        elsewhere,  ///< the same, but the lane has ended: if it belongs there, on the system's executor
        alone,      ///< the same in a child process, which has no threads for either: on one of its own
    };
    /// Where the outcome goes; the handler's type is forgotten here.
    class Receiver {
    public:
        /// The end: with the error, or with what `read` was given. Destroys the call, and this with it.
        virtual void finish(const Error* error, Ending ending) = 0;
        /// Nothing was begun: gives back its own memory.
        virtual void destroy() noexcept = 0;

    protected:
        ~Receiver() = default;
    };
    /// The caller can cancel it.
    void set_cancellable() noexcept { cancellable_ = true; }
    bool is_cancellable() const noexcept { return cancellable_; }
    /// Before `start`.
    void set_receiver(Receiver& receiver) noexcept { receiver_ = &receiver; }
    Receiver* receiver() const noexcept { return receiver_; }

    virtual void destroy() noexcept = 0;

    const Lane& lane() const noexcept;
    ReplyReader& reader() noexcept { return reader_; }
    /// The error of one of several commands, with its name and what the call knows.
    Error of_command(std::uint32_t index, const Error& error);

private:
    enum class Phase : std::uint8_t { idle, submitted, pausing, scattered };
    class Start;
    class Escort;
    friend class Scatter;
    // Seldom there: a refusal, the timer between two attempts, and that it wants a connection of its own.
    struct Rare {
        std::optional<Error> refusal;
        bool own_connection = false;
        std::optional<boost::asio::steady_timer> pause;
        NamesPosition names;
        CallReport report;
        bool to_scatter = false;  // its commands go to several nodes
        bool no_reader = false;   // of the nodes that its caller wants to be asked none may be
        std::unique_ptr<Scatter> scatter;
        // What is submitted instead of the call where ASKING must come before it, or WAIT behind it.
        std::unique_ptr<Escort> escort;
        std::optional<Error> shortfall;  // it was executed, but too few replicas have confirmed it

        Rare();
        ~Rare();
    };

    void begin(TimePoint now) noexcept;
    void begin_blocking(TimePoint now) noexcept;
    void begin_acknowledged(TimePoint now) noexcept;
    Acknowledgement acknowledgement() const noexcept;
    void set_escort(bool asking);
    void start_from_elsewhere() noexcept;
    void first_attempt() noexcept;
    void route() noexcept;
    void route_to_reader() noexcept;
    void fail_without_reader(TimePoint now);
    bool reads_elsewhere() noexcept;
    bool finds_another_reader() noexcept;
    void attempt(TimePoint now);
    void attempt_again(TimePoint now);
    bool follow(Error& error, TimePoint now);
    bool goes_to_held(HoldUse& use) noexcept;
    std::optional<Error> prepare_own();
    Operation& submitted() noexcept;
    void complete_with_news();
    void ask_for_room(pool::Node& node) noexcept;
    void attempt_failed(const Error& error, FailureSource source);
    void pause(Duration length);
    Duration attempt_length(TimePoint now) noexcept;
    bool has_moved() const noexcept;
    void record(const Error* error, FailureSource source, TimePoint now);
    void end(const Error* error);
    void scatter();
    void end_scattered(JointSink* joint, const std::optional<Error>& unconfirmed);
    void begin_report(Telemetry& telemetry);
    void end_report(const Error* error) noexcept;
    Rare& rare();

    Dispatcher& dispatcher_;
    Receiver* receiver_ = nullptr;
    pool::Pool* pool_ = nullptr;  // of the last attempt, with the project's queue there
    pool::Tenant* tenant_ = nullptr;
    ReplyReader reader_;
    CallState state_;
    std::string_view name_;
    std::unique_ptr<Rare> rare_;
    pool::Node* node_ = nullptr;    // that admitted the last attempt
    std::uint32_t generation_ = 0;  // of its breaker at that moment
    Phase phase_ = Phase::idle;
    bool cancelled_ = false;
    bool cancellable_ = false;
    bool* ended_ = nullptr;  // while `start` runs: where to say that the call has ended inside it
    EncodedCommands commands_;
};

}  // namespace redoubt::dispatch
