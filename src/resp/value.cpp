// resp: values as text for people (as redis-cli prints them) and as JSON for programs.
#include <redoubt/resp/value.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace redoubt {
namespace {

constexpr std::string_view hex_digits = "0123456789abcdef";

bool is_map(const Value& value) noexcept { return value.type == RespType::map; }

bool is_string(const Value& value) noexcept {
    return value.type == RespType::bulk || value.type == RespType::simple || value.type == RespType::verbatim;
}

// As short as reads back to the same number: `3.14`, `1e+20`, `inf`, `nan`.
std::string format_double(double real) {
    if (std::isnan(real)) return "nan";  // whatever its sign
    std::array<char, 32> buffer;
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), real).ptr;
    return {buffer.data(), end};
}

void append_quoted(std::string& out, std::string_view text) {
    out += '"';
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        switch (c) {
            case '"': out += "\\\""; break;
            case '\\': out += "\\\\"; break;
            case '\n': out += "\\n"; break;
            case '\r': out += "\\r"; break;
            case '\t': out += "\\t"; break;
            case '\a': out += "\\a"; break;
            case '\b': out += "\\b"; break;
            default:
                if (byte >= 0x20 && byte < 0x7f) {
                    out += c;
                } else {
                    out += "\\x";
                    out += hex_digits[byte >> 4];
                    out += hex_digits[byte & 15];
                }
        }
    }
    out += '"';
}

// Whether an aggregate takes more lines than one; of a pair that is alone, its value says so.
bool takes_lines(const Value& value) noexcept {
    const std::size_t alone = is_map(value) ? 2 : 1;
    if (value.elements.empty()) return false;
    return value.elements.size() > alone || takes_lines(value.elements.back());
}

void append_cli(std::string& out, const Value& value, std::size_t indent);

void append_cli_elements(std::string& out, const Value& value, std::size_t indent) {
    const std::size_t step = is_map(value) ? 2 : 1;
    const char mark = is_map(value) ? '#' : value.type == RespType::set ? '~' : ')';
    const std::size_t width = std::to_string(value.elements.size() / step).size();
    const std::size_t inner = indent + width + 2;
    for (std::size_t i = 0; i + step <= value.elements.size(); i += step) {
        if (i != 0) {
            out += '\n';
            out.append(indent, ' ');
        }
        const std::string number = std::to_string(i / step + 1);
        out.append(width - number.size(), ' ');
        out += number;
        out += mark;
        out += ' ';
        append_cli(out, value.elements[i], inner);
        if (step == 1) continue;
        out += " => ";
        const Value& mapped = value.elements[i + 1];
        if (takes_lines(mapped)) {
            out += '\n';
            out.append(inner, ' ');
        }
        append_cli(out, mapped, inner);
    }
}

void append_cli(std::string& out, const Value& value, std::size_t indent) {
    switch (value.type) {
        case RespType::simple:
        case RespType::verbatim: out += value.text; break;
        case RespType::bulk: append_quoted(out, value.text); break;
        case RespType::error:
        case RespType::bulk_error: out += "(error) " + value.text; break;
        case RespType::integer: out += "(integer) " + std::to_string(value.integer); break;
        case RespType::real: out += "(double) " + (value.text.empty() ? format_double(value.real) : value.text); break;
        case RespType::big_number: out += "(big number) " + value.text; break;
        case RespType::boolean: out += value.integer != 0 ? "(true)" : "(false)"; break;
        case RespType::null: out += "(nil)"; break;
        case RespType::array:
        case RespType::attribute:
        case RespType::set:
        case RespType::map:
        case RespType::push:
            if (!value.elements.empty()) {
                append_cli_elements(out, value, indent);
            } else {
                out += value.type == RespType::map    ? "(empty hash)"
                       : value.type == RespType::set  ? "(empty set)"
                       : value.type == RespType::push ? "(empty push)"
                                                      : "(empty array)";
            }
            break;
    }
}

// The length of the UTF-8 character at the front, or 0 where there is none: no overlong forms, no
// surrogates, nothing past U+10FFFF.
std::size_t utf8_length(std::string_view text) noexcept {
    const auto byte = [&](std::size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
    const auto follows = [&](std::size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
    const unsigned first = byte(0);
    if (first < 0x80) return 1;
    if (first >= 0xc2 && first <= 0xdf) return follows(1) ? 2 : 0;
    if (first >= 0xe0 && first <= 0xef) {
        if (!follows(1) || !follows(2)) return 0;
        if (first == 0xe0 && byte(1) < 0xa0) return 0;
        if (first == 0xed && byte(1) > 0x9f) return 0;
        return 3;
    }
    if (first >= 0xf0 && first <= 0xf4) {
        if (!follows(1) || !follows(2) || !follows(3)) return 0;
        if (first == 0xf0 && byte(1) < 0x90) return 0;
        if (first == 0xf4 && byte(1) > 0x8f) return 0;
        return 4;
    }
    return 0;
}

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    while (!text.empty()) {
        const char c = text[0];
        const auto byte = static_cast<unsigned char>(c);
        std::size_t length = utf8_length(text);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (c == '\n') {
            out += "\\n";
        } else if (c == '\r') {
            out += "\\r";
        } else if (c == '\t') {
            out += "\\t";
        } else if (byte < 0x20 || byte == 0x7f || length == 0) {
            out += "\\u00";
            out += hex_digits[byte >> 4];
            out += hex_digits[byte & 15];
            length = 1;
        } else {
            out += text.substr(0, length);
        }
        text.remove_prefix(length);
    }
    out += '"';
}

void append_json(std::string& out, const Value& value);

void append_json_map(std::string& out, const Value& value) {
    bool named = true;
    for (std::size_t i = 0; i + 1 < value.elements.size(); i += 2) named = named && is_string(value.elements[i]);
    out += named ? '{' : '[';
    for (std::size_t i = 0; i + 1 < value.elements.size(); i += 2) {
        if (i != 0) out += ',';
        if (!named) out += '[';
        append_json(out, value.elements[i]);
        out += named ? ':' : ',';
        append_json(out, value.elements[i + 1]);
        if (!named) out += ']';
    }
    out += named ? '}' : ']';
}

void append_json(std::string& out, const Value& value) {
    switch (value.type) {
        case RespType::simple:
        case RespType::bulk:
        case RespType::verbatim:
        case RespType::big_number: append_json_string(out, value.text); break;
        case RespType::error:
        case RespType::bulk_error:
            out += "{\"error\":";
            append_json_string(out, value.text);
            out += '}';
            break;
        case RespType::integer: out += std::to_string(value.integer); break;
        case RespType::real:
            if (std::isfinite(value.real)) {
                out += format_double(value.real);
            } else {
                append_json_string(out, format_double(value.real));
            }
            break;
        case RespType::boolean: out += value.integer != 0 ? "true" : "false"; break;
        case RespType::null: out += "null"; break;
        case RespType::map:
        case RespType::attribute: append_json_map(out, value); break;
        case RespType::array:
        case RespType::set:
        case RespType::push: {
            out += '[';
            bool first = true;
            for (const Value& element : value.elements) {
                if (!first) out += ',';
                first = false;
                append_json(out, element);
            }
            out += ']';
            break;
        }
    }
}

}  // namespace

std::string to_cli_text(const Value& value) {
    std::string out;
    append_cli(out, value, 0);
    return out;
}

std::string to_json_text(const Value& value) {
    std::string out;
    append_json(out, value);
    return out;
}

}  // namespace redoubt
