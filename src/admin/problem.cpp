// admin: failures as answers; see the header.
#include "admin/problem.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <string>

#include <fmt/format.h>

#include <redoubt/base/exceptions.hpp>

#include "service/log_telemetry.hpp"

namespace redoubt::admin {
namespace {

unsigned status_of(const Error& error) noexcept {
    switch (error.kind) {
        case ErrorKind::isolation:
        case ErrorKind::configuration: return 400;
        case ErrorKind::key_not_found: return 404;
        case ErrorKind::server: return error.prefix() == "WRONGTYPE" ? 409 : 502;
        case ErrorKind::reply_type: return 502;
        case ErrorKind::timeout: return 504;
        case ErrorKind::connection:
        case ErrorKind::authentication:
        case ErrorKind::memory:
        case ErrorKind::circuit_open:
        case ErrorKind::pool_exhausted:
        case ErrorKind::cancelled: return 503;
    }
    return 500;
}

}  // namespace

std::string_view word_of(ErrorKind kind) noexcept {
    switch (kind) {
        case ErrorKind::connection: return "connection";
        case ErrorKind::authentication: return "authentication";
        case ErrorKind::timeout: return "timeout";
        case ErrorKind::memory: return "memory";
        case ErrorKind::circuit_open: return "circuit_open";
        case ErrorKind::key_not_found: return "key_not_found";
        case ErrorKind::isolation: return "isolation";
        case ErrorKind::configuration: return "configuration";
        case ErrorKind::pool_exhausted: return "pool_exhausted";
        case ErrorKind::server: return "server";
        case ErrorKind::reply_type: return "reply_type";
        case ErrorKind::cancelled: return "cancelled";
    }
    return "unknown";
}

Response problem_of(const Error& error) {
    boost::json::object body{
        {"error", word_of(error.kind)}, {"message", error.message()}, {"certainty", to_string(error.certainty)}};
    const unsigned status = status_of(error);
    if (status != 503) return Response::json(status, body);
    const double wait = std::chrono::duration<double>(error.retry_after).count();
    if (wait > 0) body["retry_after_seconds"] = wait;
    // The header counts whole seconds, and 0 would say that nothing need be waited for.
    return Response::json(status, body)
        .with("Retry-After", fmt::format("{}", static_cast<std::int64_t>(std::max(1.0, std::ceil(wait)))));
}

Response problem_of(const std::exception_ptr& thrown) {
    try {
        std::rethrow_exception(thrown);
    } catch (const RedisException& failure) {
        return problem_of(failure.error());
    } catch (const std::exception& failure) {
        service::log_warning(fmt::format("an HTTP request failed: {}", failure.what()));
    } catch (...) {
        service::log_warning("an HTTP request failed with something that is no exception of C++'s library");
    }
    return Response::problem(500, "internal", "the request failed here; the log says why");
}

}  // namespace redoubt::admin
