// resp: a reply of any shape as a value of its own, for raw commands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/resp/reply.hpp>

namespace redoubt {

/// A reply with everything in it. A plain value: copyable, comparable.
struct Value {
    RespType type = RespType::null;
    std::string text;             ///< strings, errors, big numbers; doubles as sent
    std::int64_t integer = 0;     ///< integers; booleans as 0 or 1
    double real = 0;              ///< doubles
    std::vector<Value> elements;  ///< arrays, sets, pushes; maps as key, value, key, value

    bool is_null() const noexcept { return type == RespType::null; }
    bool is_error() const noexcept { return type == RespType::error || type == RespType::bulk_error; }
    friend bool operator==(const Value&, const Value&) = default;
};

/// As `redis-cli -3` prints it (indented, numbered), without a final newline. What it cannot print: a big
/// number is `(big number) 12`, a bulk error looks like any error. A double without `text` is printed from
/// `real`.
std::string to_cli_text(const Value& value);
/// As JSON: maps become objects when every key is a string, else arrays of pairs; bytes that are not UTF-8
/// become `\u00XX`; NaN and infinities become strings, so do big numbers; an error is `{"error": "ERR ..."}`.
std::string to_json_text(const Value& value);

}  // namespace redoubt
