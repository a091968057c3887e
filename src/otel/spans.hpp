// otel: the span of one call.
#pragma once

#include <opentelemetry/context/context.h>
#include <opentelemetry/trace/span.h>
#include <opentelemetry/trace/tracer.h>

#include <redoubt/base/telemetry.hpp>

#include "otel/attributes.hpp"

namespace redoubt::otel {

/// What is current on some thread.
class OtelContext final : public CallContext {
public:
    explicit OtelContext(const api::context::Context& value) : value_(value) {}
    const api::context::Context& value() const noexcept { return value_; }

private:
    api::context::Context value_;
};

class CallSpan {
public:
    /// `query_text`: with `db.query.text`.
    CallSpan(api::trace::Tracer& tracer, const CallInfo& call, bool query_text);
    void retried(const Error& error, Duration pause) noexcept;
    void ended(const CallInfo& call, const CallOutcome& outcome) noexcept;

private:
    api::nostd::shared_ptr<api::trace::Span> span_;
};

}  // namespace redoubt::otel
