// admin: failures as answers: which status an Error becomes, and what its JSON says.
#pragma once

#include <exception>
#include <string_view>

#include <redoubt/base/error.hpp>

#include "admin/http_message.hpp"

namespace redoubt::admin {

/// The kind as a word for programs: `circuit_open`, `key_not_found`.
std::string_view word_of(ErrorKind kind) noexcept;

/// 400 what cannot be isolated or is no valid argument; 404 no such key; 409 a key that holds another type; 502 another
/// error of the server, or a reply that cannot be read; 503 with Retry-After where it may work later (no connection, an
/// open breaker, busy pools, a refused login, a full memory); 504 a time-out, after which a write may have been applied.
/// `{"error": ..., "message": ..., "certainty": ...}`, and `retry_after_seconds` where that is known.
Response problem_of(const Error& error);

/// The same of what a handler threw; 500 for what is not of Redoubt, which is logged and not told.
Response problem_of(const std::exception_ptr& thrown);

}  // namespace redoubt::admin
