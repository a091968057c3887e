// resp: readers of single values and of lists of them. Each takes the shapes of RESP2 and of RESP3.
#include <redoubt/resp/read_reply.hpp>

#include "resp/reading.hpp"

namespace redoubt {

using resp::read_list;
using resp::refuse;

namespace {

// Recursion is bounded by the scanner's depth.
ReadOutcome read_value(ReplyCursor& cursor, Value& out) {
    const ReplyNode node = cursor.next();
    out.type = node.type;
    out.text.clear();
    out.integer = 0;
    out.real = 0;
    out.elements.clear();
    if (node.type == RespType::integer || node.type == RespType::boolean) {
        out.integer = node.integer;
        return ReadOutcome::ok();
    }
    out.text.assign(node.text);
    if (node.type == RespType::real) {
        const std::optional<double> real = resp::parse_double(node.text);
        if (!real) return ReadOutcome::mismatch("double of 64 bits", node);
        out.real = *real;
    }
    const std::int64_t children = node.children();
    out.elements.reserve(static_cast<std::size_t>(children));
    for (std::int64_t i = 0; i < children; ++i) {
        if (const ReadOutcome one = read_value(cursor, out.elements.emplace_back()); !one) return one;
    }
    return ReadOutcome::ok();
}

// A double in any form; nullopt when the node is none.
std::optional<double> as_double(const ReplyNode& node) noexcept {
    if (node.type == RespType::integer) return static_cast<double>(node.integer);
    if (node.type == RespType::real || node.is_string()) return resp::parse_double(node.text);
    return std::nullopt;
}

}  // namespace

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, Value& out) {
    const ReplyCursor before = cursor;
    const ReadOutcome outcome = read_value(cursor, out);
    return outcome ? outcome : refuse(cursor, before, outcome.expected(), outcome.got());
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, Ok&) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (!node.is_string() || node.text != "OK") return refuse(cursor, before, "OK", node);
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, std::string& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (!node.is_string()) return refuse(cursor, before, "string", node);
    out.assign(node.text);
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, std::optional<std::string>& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (node.is_string()) {
        out.emplace(node.text);
    } else if (node.is_null()) {
        out.reset();
    } else {
        return refuse(cursor, before, "string or nil", node);
    }
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, std::int64_t& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (node.type != RespType::integer) return refuse(cursor, before, "integer", node);
    out = node.integer;
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, std::optional<std::int64_t>& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (node.type == RespType::integer) {
        out = node.integer;
    } else if (node.is_null()) {
        out.reset();
    } else {
        return refuse(cursor, before, "integer or nil", node);
    }
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, double& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    const std::optional<double> value = as_double(node);
    if (!value) return refuse(cursor, before, "double", node);
    out = *value;
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, std::optional<double>& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    out = as_double(node);
    if (!out && !node.is_null()) return refuse(cursor, before, "double or nil", node);
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, bool& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (node.is_null()) {
        out = false;
    } else if ((node.type == RespType::integer || node.type == RespType::boolean) &&
               (node.integer == 0 || node.integer == 1)) {
        out = node.integer == 1;
    } else if (node.is_string() && node.text == "OK") {
        out = true;
    } else {
        return refuse(cursor, before, "boolean (0, 1, true, false, OK or nil)", node);
    }
    return ReadOutcome::ok();
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::string>& out) {
    return read_list(cursor, prefix, out, "array of strings");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<std::string>>& out) {
    return read_list(cursor, prefix, out, "array of strings and nils");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<double>>& out) {
    return read_list(cursor, prefix, out, "array of doubles and nils");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::int64_t>& out) {
    return read_list(cursor, prefix, out, "array of integers");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<std::optional<std::int64_t>>& out) {
    return read_list(cursor, prefix, out, "array of integers and nils");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<bool>& out) {
    return read_list(cursor, prefix, out, "array of booleans");
}

ReadOutcome read_reply(ReplyCursor& cursor, const KeyPrefix&, KeyTtl& out) {
    const ReplyCursor before = cursor;
    const ReplyNode node = cursor.next();
    if (node.type != RespType::integer || node.integer < -2) {
        return refuse(cursor, before, "milliseconds, -1 or -2", node);
    }
    out.exists = node.integer != -2;
    out.expires.reset();
    if (node.integer >= 0) out.expires = std::chrono::milliseconds{node.integer};
    return ReadOutcome::ok();
}

}  // namespace redoubt
