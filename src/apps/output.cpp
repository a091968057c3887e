// apps: how the command writes: lines on standard output, failures as one line on standard error, JSON.
#include "apps/output.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <system_error>

#include <redoubt/base/exceptions.hpp>

#include <fmt/format.h>

namespace redoubt::apps {
namespace {

/// Control bytes as \xHH: what a server says must neither break the line nor move the terminal's cursor.
std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte == 0x7f) {
            out += fmt::format("\\x{:02x}", byte);
        } else {
            out += c;
        }
    }
    return out;
}

void append_pretty(std::string& out, const boost::json::value& value, std::size_t indent) {
    const auto new_line = [&out](std::size_t width) {
        out += '\n';
        out.append(width, ' ');
    };
    if (const auto* object = value.if_object(); object != nullptr && !object->empty()) {
        out += '{';
        const char* comma = "";
        for (const auto& [name, field] : *object) {
            out += comma;
            comma = ",";
            new_line(indent + 2);
            out += boost::json::serialize(boost::json::string_view(name));
            out += ": ";
            append_pretty(out, field, indent + 2);
        }
        new_line(indent);
        out += '}';
    } else if (const auto* array = value.if_array(); array != nullptr && !array->empty()) {
        out += '[';
        const char* comma = "";
        for (const auto& element : *array) {
            out += comma;
            comma = ",";
            new_line(indent + 2);
            append_pretty(out, element, indent + 2);
        }
        new_line(indent);
        out += ']';
    } else if (const auto* number = value.if_double(); number != nullptr) {
        out += fmt::format("{}", *number);  // 0.17 rather than 1.7E-1
    } else {
        out += boost::json::serialize(value);
    }
}

}  // namespace

void print_line(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() &&
                         std::fputc('\n', stdout) != EOF && std::fflush(stdout) == 0;
    if (!written) {
        throw std::runtime_error("cannot write to standard output: " + std::generic_category().message(errno));
    }
}

void print_error(std::string_view text) {
    const std::string line = one_line(text) + '\n';
    std::fwrite(line.data(), 1, line.size(), stderr);
}

std::string describe(const std::exception& failure) {
    if (const auto* redis = dynamic_cast<const RedisException*>(&failure)) {
        return one_line(fmt::format("{}: {}", to_string(redis->error().kind), redis->what()));
    }
    return one_line(fmt::format("redoubt: {}", failure.what()));
}

std::string pretty(const boost::json::value& value) {
    std::string out;
    append_pretty(out, value, 0);
    return out;
}

void print_json(const boost::json::object& object, bool compact) {
    print_line(compact ? boost::json::serialize(object) : pretty(object));
}

}  // namespace redoubt::apps
