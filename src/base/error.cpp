// base: what went wrong, as a value, and the one line that tells it.
#include <redoubt/base/error.hpp>

#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "base/text_values.hpp"

namespace redoubt {

namespace {

/// How a stage reads in a sentence; `to_string` keeps the identifier for machines.
std::string_view in_words(Stage stage) noexcept {
    switch (stage) {
        case Stage::admission: return "refused before anything was tried";
        case Stage::waiting_for_wire: return "waiting for a wire";
        case Stage::connecting: return "connecting";
        case Stage::handshake: return "in the handshake";
        case Stage::queued: return "queued and not written";
        case Stage::sent: return "sent and unanswered";
        case Stage::reply: return "answered";
        case Stage::backoff: return "pausing before another attempt";
    }
    return "unknown stage";
}

std::string_view in_words(NotRetried why) noexcept {
    switch (why) {
        case NotRetried::none: return {};
        case NotRetried::budget_spent: return "not tried again: retry budget exhausted";
        case NotRetried::no_time: return "not tried again: the pause would pass the deadline";
        case NotRetried::breaker_open: return "not tried again: the node's circuit breaker is open";
    }
    return {};
}

/// A server's error line quotes what the client sent, so it may hold anything; but quotes are common in it
/// and harmless, and only what breaks a line is replaced.
void append_one_line(std::string& out, std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f)
            out += base::escaped(std::string_view{&c, 1});
        else
            out += c;
    }
}

}  // namespace

std::string_view to_string(Certainty certainty) noexcept {
    switch (certainty) {
        case Certainty::not_sent: return "not_sent";
        case Certainty::rejected: return "rejected";
        case Certainty::unknown: return "unknown";
        case Certainty::applied: return "applied";
    }
    return "invalid";
}

std::string_view to_string(Stage stage) noexcept {
    switch (stage) {
        case Stage::admission: return "admission";
        case Stage::waiting_for_wire: return "waiting_for_wire";
        case Stage::connecting: return "connecting";
        case Stage::handshake: return "handshake";
        case Stage::queued: return "queued";
        case Stage::sent: return "sent";
        case Stage::reply: return "reply";
        case Stage::backoff: return "backoff";
    }
    return "invalid";
}

std::string_view to_string(ErrorKind kind) noexcept {
    switch (kind) {
        case ErrorKind::connection: return "RedisConnectionException";
        case ErrorKind::authentication: return "RedisAuthenticationException";
        case ErrorKind::timeout: return "RedisOperationTimeoutException";
        case ErrorKind::memory: return "RedisMemoryException";
        case ErrorKind::circuit_open: return "RedisCircuitBreakerOpenException";
        case ErrorKind::key_not_found: return "RedisKeyNotFoundException";
        case ErrorKind::isolation: return "RedisProjectIsolationException";
        case ErrorKind::configuration: return "RedisConfigurationException";
        case ErrorKind::pool_exhausted: return "RedisPoolExhaustedException";
        case ErrorKind::server: return "RedisServerException";
        case ErrorKind::reply_type: return "RedisReplyTypeException";
        case ErrorKind::cancelled: return "RedisCancelledException";
    }
    return "RedisException";
}

Error Error::of(ErrorKind kind, Certainty certainty, Stage stage, std::string_view static_text) {
    Error error;
    error.kind = kind;
    error.certainty = certainty;
    error.stage = stage;
    error.text = static_text;
    return error;
}

Error Error::with_detail(ErrorKind kind, Certainty certainty, Stage stage, std::string detail) {
    Error error = of(kind, certainty, stage, {});
    error.detail = std::make_shared<const std::string>(std::move(detail));
    return error;
}

std::string_view Error::reason() const noexcept { return detail ? std::string_view{*detail} : text; }

std::string_view Error::prefix() const noexcept {
    // The kinds that a server's error line can become, and that nothing else is made into with such a word.
    if (kind != ErrorKind::server && kind != ErrorKind::memory && kind != ErrorKind::authentication) return {};
    const std::string_view line = reason();
    const std::string_view word = line.substr(0, line.find(' '));
    bool has_letter = false;
    for (const char c : word) {
        const bool letter = c >= 'A' && c <= 'Z';
        if (!letter && !(c >= '0' && c <= '9') && c != '_') return {};
        has_letter = has_letter || letter;
    }
    return has_letter ? word : std::string_view{};
}

std::string Error::message() const {
    std::string out;
    if (!operation.empty()) {
        out += operation;
        out += ": ";
    }
    append_one_line(out, reason().empty() ? to_string(kind) : reason());
    auto to = std::back_inserter(out);
    fmt::format_to(to, " ({}; certainty {}", in_words(stage), to_string(certainty));
    if (origin && !origin->project_id.empty())
        fmt::format_to(to, "; project \"{}\"", base::escaped(origin->project_id));
    if (origin && !origin->endpoint.empty()) {
        out += "; endpoint ";
        append_one_line(out, origin->endpoint);
    }
    if (attempts > 0) {
        fmt::format_to(to, "; {} {} in {}", attempts, attempts == 1 ? "attempt" : "attempts",
                       base::format_duration(elapsed));
    } else if (elapsed > Duration::zero()) {
        fmt::format_to(to, "; after {}", base::format_duration(elapsed));
    }
    if (not_retried != NotRetried::none) fmt::format_to(to, "; {}", in_words(not_retried));
    if (kind == ErrorKind::circuit_open && retry_after > Duration::zero())
        fmt::format_to(to, "; next probe in {}", base::format_duration(retry_after));
    out += ')';
    return out;
}

}  // namespace redoubt
