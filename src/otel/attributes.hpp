// otel: attributes as OpenTelemetry takes them: a short list on the stack; and what of a call goes into them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <opentelemetry/common/key_value_iterable.h>
#include <opentelemetry/nostd/string_view.h>

#include <redoubt/base/error.hpp>
#include <redoubt/base/telemetry.hpp>

namespace redoubt::otel {

namespace api = opentelemetry;

inline api::nostd::string_view to_otel(std::string_view text) noexcept { return {text.data(), text.size()}; }

/// Names and values, which it views.
class Attributes final : public api::common::KeyValueIterable {
public:
    static constexpr std::size_t most = 12;

    template <class Value>
    void add(const char* name, const Value& value) noexcept {
        if (size_ != most) items_[size_++] = {name, api::common::AttributeValue(value)};
    }
    void add(const char* name, std::string_view value) noexcept { add(name, to_otel(value)); }

    bool ForEachKeyValue(api::nostd::function_ref<bool(api::nostd::string_view, api::common::AttributeValue)> callback)
        const noexcept override {
        for (std::size_t i = 0; i != size_; ++i) {
            if (!callback(items_[i].first, items_[i].second)) return false;
        }
        return true;
    }
    std::size_t size() const noexcept override { return size_; }

private:
    std::array<std::pair<api::nostd::string_view, api::common::AttributeValue>, most> items_;
    std::size_t size_ = 0;
};

/// `localhost:5240`, `[::1]:5240` or `/run/redis.sock` in parts; the port is 0 when there is none.
struct Server {
    std::string_view address;
    std::int64_t port = 0;
};
Server server_of(std::string_view endpoint) noexcept;
void add_server(Attributes& attributes, std::string_view endpoint) noexcept;

/// A call's name: `GET`; of several `PIPELINE GET` where all are the same, else `PIPELINE`; of one alone in a batch, its own.
std::string operation_name(const CallInfo& call);

/// An error reply's prefix where it is one that servers are known to give; else empty. A script can answer with any word,
/// which may be a value, and which would be a new time series each time.
std::string_view status_code(const Error& error) noexcept;
/// `WRONGTYPE`, or the exception's name where no known reply is the cause.
std::string_view error_type(const Error& error) noexcept;
/// What is said of an error in words: nothing that a server has written.
std::string_view error_text(const Error& error) noexcept;

}  // namespace redoubt::otel
