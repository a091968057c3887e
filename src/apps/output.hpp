// apps: how the command writes: lines on standard output, failures as one line on standard error, JSON.
#pragma once

#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>

#include <boost/json.hpp>

namespace redoubt::apps {

/// The command line itself is wrong: exit status 2.
class UsageError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
};

/// Writes a line and flushes it. @throws std::runtime_error when that fails (the reader is gone)
void print_line(std::string_view text);
/// One line on standard error, whatever `text` holds.
void print_error(std::string_view text);
/// `RedisConnectionException: ...`, and for what is not of Redoubt `redoubt: ...`; always one line.
std::string describe(const std::exception& failure);

/// Indented by two, one field a line.
std::string pretty(const boost::json::value& value);
/// Compact with `compact`, else indented.
void print_json(const boost::json::object& object, bool compact);

}  // namespace redoubt::apps
