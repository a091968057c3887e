// service: health: what of the server's own settings keeps projects apart or does not. The judging is pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <boost/json/array.hpp>
#include <boost/json/object.hpp>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/value.hpp>

namespace redoubt::service {

/// What the server told; nullopt: it did not let us ask, as managed servers do.
struct SecurityReading {
    bool asked = false;  ///< the round of health came so far
    std::optional<bool> default_user_open;
    std::optional<std::int64_t> databases;
    std::optional<std::string> debug_commands;  ///< `no`, `local`, `yes`
};

// What is asked.
Command<Value> default_user_command();
Command<Value> databases_command();
Command<Value> debug_commands_command();
SecurityReading read_security(const result<Value>& default_user, const result<Value>& databases,
                              const result<Value>& debug_commands);

/// `security` of the health JSON: `default_user`, `databases`, `debug_commands`; `unknown` where it is.
boost::json::object security_json(const SecurityReading& security);
/// None of it is a fault of the service: it is for whoever runs the server.
void add_security_advice(boost::json::array& advice, const SecurityReading& security);

}  // namespace redoubt::service
