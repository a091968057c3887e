// base: what went wrong, as a value. Copying one never allocates, so failing fast costs no heap.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <boost/assert/source_location.hpp>

#include <redoubt/base/clock.hpp>

namespace redoubt {

/// What is known of the command that failed. Every exception and every `Error` carries it.
enum class Certainty : std::uint8_t {
    not_sent,  ///< the server never had the whole command; it was certainly not applied
    rejected,  ///< the server refused it before executing it; certainly not applied
    unknown,   ///< it may or may not have been applied
    applied,   ///< the server executed it; what failed came afterwards (its reply did not fit, say)
};

/// The stage of a call in which it failed.
enum class Stage : std::uint8_t {
    admission,         ///< refused before anything was tried (isolation, open breaker, closed service)
    waiting_for_wire,  ///< all wires were busy
    connecting,        ///< name resolution, connect or TLS
    handshake,         ///< HELLO, AUTH, SELECT
    queued,            ///< on a wire, not yet written
    sent,              ///< written and unanswered
    reply,             ///< the answer itself is the failure
    backoff,           ///< between two attempts
};

/// Which exception an `Error` becomes when it is thrown; see exceptions.hpp for their meaning.
enum class ErrorKind : std::uint8_t {
    connection,
    authentication,
    timeout,
    memory,
    circuit_open,
    key_not_found,
    isolation,
    configuration,
    pool_exhausted,
    server,
    reply_type,
    cancelled,
};

/// Why a call that the rules would have tried again was not.
enum class NotRetried : std::uint8_t {
    none,          ///< it was tried as often as allowed, or another attempt could not help
    budget_spent,  ///< the pool's retry budget
    no_time,       ///< the pause would have ended past the deadline
    breaker_open,  ///< the node's breaker has opened and would refuse the next attempt
};

std::string_view to_string(Certainty certainty) noexcept;
std::string_view to_string(Stage stage) noexcept;
/// The name of the exception class, such as `RedisConnectionException`.
std::string_view to_string(ErrorKind kind) noexcept;

/// Where a call was going: made once for each pool and shared by all its errors.
struct ErrorOrigin {
    std::string endpoint;    ///< `localhost:5240` or `/run/redis.sock`; never with credentials
    std::string project_id;  ///< empty for what belongs to no project
};

/// A failure as a value. Thread safety: distinct objects may be used from distinct threads.
///
/// Texts never hold a value or a secret. `text` points at static storage; a text that had to be made
/// (a server's error line, an address) is in `detail`.
struct Error {
    ErrorKind kind = ErrorKind::connection;
    Certainty certainty = Certainty::not_sent;
    Stage stage = Stage::admission;
    NotRetried not_retried = NotRetried::none;
    std::uint32_t attempts = 0;  ///< attempts made, 0 when refused before the first
    Duration elapsed{};          ///< from the moment the caller made the call
    Duration retry_after{};      ///< `circuit_open`: time until the node's next probe
    std::string_view text;       ///< static storage
    std::string_view operation;  ///< command name from the table, static storage
    std::shared_ptr<const ErrorOrigin> origin;
    std::shared_ptr<const std::string> detail;
    std::shared_ptr<const Error> cause;  ///< what led to this one

    /// An error with a static text.
    static Error of(ErrorKind kind, Certainty certainty, Stage stage, std::string_view static_text);
    /// An error whose text was made for it.
    static Error with_detail(ErrorKind kind, Certainty certainty, Stage stage, std::string detail);

    /// `detail` when there is one, else `text`.
    std::string_view reason() const noexcept;
    /// A server error's first word, such as `WRONGTYPE`; empty for the other kinds.
    std::string_view prefix() const noexcept;
    /// The one line of `what()`: operation, reason, stage, certainty, project, endpoint, attempts, time.
    std::string message() const;
};

/// How far an error reply is believed when it says that nothing was executed.
enum class ErrorTrust : std::uint8_t {
    full,                 ///< of one command
    if_before_execution,  ///< inside EXEC: only what the server certainly raises before it executes anything (EXECABORT)
    none,                 ///< of a script, which can write and then answer with any error of its own making
};

/// Throws the exception class of `error.kind` (exceptions.hpp), with its cause nested.
[[noreturn]] void raise(const Error& error);

/// The same as an `exception_ptr`, for completion handlers.
std::exception_ptr to_exception_ptr(const Error& error);

/// Lets `result<T>::value()` throw as `raise` does.
[[noreturn]] void throw_exception_from_error(const Error& error, const boost::source_location& where);

}  // namespace redoubt
