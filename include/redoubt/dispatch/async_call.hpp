// dispatch: one async call: the node that travels through pool and wire and ends in its caller's handler.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include <redoubt/connection/operation.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/dispatch/call_state.hpp>
#include <redoubt/resp/encoded_commands.hpp>

namespace redoubt::dispatch {

class Dispatcher;

/// Everything of an async call but its handler and the type of its reply. It belongs to itself from `start` on:
/// `finish` is called exactly once and destroys it.
class AsyncCall : public Operation, protected ReplySink {
public:
    using Lane = boost::asio::io_context::executor_type;

    /// Begins the call, from any thread; it never finishes inside this function.
    void start() noexcept;
    /// The part of `start` that runs on the lane.
    void start_on_lane() noexcept;
    /// The caller cancels, on the lane. An unwritten command leaves the queue; a written one is given up only
    /// when `also_written`, leaving a tombstone that swallows its reply.
    void cancel(bool also_written);

    /// The service closes: a pause between two attempts ends now, on the lane, and the next attempt says why.
    void interrupt();

    std::size_t encoded_bound() const noexcept final { return commands_.bytes().size(); }
    char* encode(char* out) const noexcept final;
    std::string_view ordering_key() const noexcept final;
    bool on_reply(std::string_view frame) final { return reader_.take(frame); }
    void on_complete() final;
    void on_failure(const Error& error, FailureSource source) final;

protected:
    /// `refused`: an error found before (isolation, a bad argument), which the call will end with.
    AsyncCall(Dispatcher& dispatcher, const KeyPrefix& prefix, EncodedCommands&& commands,
              std::optional<Error>&& refused, const CallOptions& options, std::string_view name);
    ~AsyncCall() override;

    /// How the handler is called.
    enum class Ending : std::uint8_t {
        direct,     ///< before `finish` returns, if it belongs to the lane; what it throws passes
        posted,     ///< to its executor
        elsewhere,  ///< the same, but the lane has ended: if it belongs there, on the system's executor
    };
    /// The end: with the error, or with what `read` was given. Destroys this.
    virtual void finish(const Error* error, Ending ending) = 0;

    const Lane& lane() const noexcept;

private:
    enum class Phase : std::uint8_t { idle, submitted, pausing };

    void attempt();
    void attempt_failed(const Error& error, FailureSource source);
    void pause(Duration length);
    void end(const Error* error);

    struct Pause;

    Dispatcher& dispatcher_;
    EncodedCommands commands_;
    ReplyReader reader_;
    std::string_view name_;
    CallState state_;
    std::unique_ptr<Pause> pause_;
    std::optional<Error> refused_;
    std::uint32_t generation_ = 0;  // of the breaker when the attempt was admitted
    Phase phase_ = Phase::idle;
    bool* ended_ = nullptr;  // while `start` runs: where to say that the call has ended inside it
    bool cancelled_ = false;
};

}  // namespace redoubt::dispatch
