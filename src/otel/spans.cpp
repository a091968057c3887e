// otel: the span of one call; see the header.
#include "otel/spans.hpp"

#include <chrono>

#include "otel/names.hpp"

namespace redoubt::otel {
namespace {

constexpr std::size_t longest_query_text = 1024;
constexpr std::string_view unnamed = "redis";  // as the convention says of a span without an operation

double seconds(Duration duration) noexcept { return std::chrono::duration<double>(duration).count(); }

}  // namespace

CallSpan::CallSpan(api::trace::Tracer& tracer, const CallInfo& call, bool query_text) {
    const std::string name = operation_name(call);
    const std::string database = std::to_string(call.database);
    std::string text;
    Attributes attributes;
    attributes.add(attribute::system, std::string_view("redis"));
    if (!name.empty()) attributes.add(attribute::operation, std::string_view(name));
    if (call.commands > 1) attributes.add(attribute::batch_size, std::int64_t{call.commands});
    attributes.add(attribute::database, std::string_view(database));
    add_server(attributes, call.endpoint);
    if (!call.project_id.empty()) attributes.add(attribute::project, call.project_id);
    if (query_text && call.text != nullptr) {
        text = call.text->redacted(longest_query_text);
        attributes.add(attribute::query_text, std::string_view(text));
    }
    api::trace::StartSpanOptions options;
    options.kind = api::trace::SpanKind::kClient;
    // Somebody else's context says nothing to us.
    if (const auto* const context = dynamic_cast<const OtelContext*>(call.context)) options.parent = context->value();
    span_ = tracer.StartSpan(to_otel(name.empty() ? unnamed : std::string_view(name)),
                             static_cast<const api::common::KeyValueIterable&>(attributes), options);
}

void CallSpan::retried(const Error& error, Duration pause) noexcept {
    Attributes attributes;
    attributes.add(attribute::error_type, error_type(error));
    attributes.add(attribute::attempt, std::int64_t{error.attempts});
    attributes.add(attribute::pause, seconds(pause));
    span_->AddEvent(event::retry, static_cast<const api::common::KeyValueIterable&>(attributes));
}

void CallSpan::ended(const CallInfo& call, const CallOutcome& outcome) noexcept {
    if (outcome.attempts > 1) span_->SetAttribute(attribute::attempts, std::int64_t{outcome.attempts});
    if (!outcome.endpoint.empty() && outcome.endpoint != call.endpoint) {
        const Server server = server_of(outcome.endpoint);
        span_->SetAttribute(attribute::address, to_otel(server.address));
        if (server.port != 0) span_->SetAttribute(attribute::port, server.port);
    }
    if (const Error* const error = outcome.error != nullptr ? outcome.error : outcome.reply_error) {
        if (error->kind == ErrorKind::circuit_open) {
            Attributes attributes;
            attributes.add(attribute::retry_after, seconds(error->retry_after));
            span_->AddEvent(event::refused, static_cast<const api::common::KeyValueIterable&>(attributes));
        }
        span_->SetAttribute(attribute::error_type, to_otel(error_type(*error)));
        const std::string_view code = status_code(*error);
        if (!code.empty()) span_->SetAttribute(attribute::status_code, to_otel(code));
        span_->SetAttribute(attribute::certainty, to_otel(to_string(error->certainty)));
        span_->SetStatus(api::trace::StatusCode::kError, to_otel(error_text(*error)));
    }
    span_->End();
}

}  // namespace redoubt::otel
