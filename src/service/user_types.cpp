// service: replies for types of the application's own; see the header.
#include <redoubt/service/user_types.hpp>

#include "isolation/raw_command.hpp"

namespace redoubt::service {
namespace {

void put_line(std::string& out, char type, std::string_view text) {
    out.push_back(type);
    out.append(text).append("\r\n");
}

void put_text(std::string& out, char type, std::string_view text) {
    put_line(out, type, std::to_string(text.size()));
    out.append(text).append("\r\n");
}

/// The value as a server would send it. What was verbatim is plain text: that it is `txt` or `mkd` was not kept.
void put_value(std::string& out, const Value& value) {
    const auto put_elements = [&](std::size_t count) {
        put_line(out, static_cast<char>(value.type), std::to_string(count));
        for (const Value& element : value.elements) put_value(out, element);
    };
    switch (value.type) {
        case RespType::null: return put_line(out, '_', {});
        case RespType::integer: return put_line(out, ':', std::to_string(value.integer));
        case RespType::boolean: return put_line(out, '#', value.integer != 0 ? "t" : "f");
        case RespType::simple:
        case RespType::error:
        case RespType::real:
        case RespType::big_number: return put_line(out, static_cast<char>(value.type), value.text);
        case RespType::bulk:
        case RespType::verbatim: return put_text(out, '$', value.text);
        case RespType::bulk_error: return put_text(out, '!', value.text);
        case RespType::array:
        case RespType::set:
        case RespType::push: return put_elements(value.elements.size());
        case RespType::map:
        case RespType::attribute: return put_elements(value.elements.size() / 2);
    }
}

}  // namespace

std::string strip_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ReplyRule rule, ReadOutcome& outcome) {
    Value value;
    std::string bytes;
    outcome = isolation::read_raw_reply(cursor, prefix, rule, value);
    if (outcome) put_value(bytes, value);
    return bytes;
}

}  // namespace redoubt::service
