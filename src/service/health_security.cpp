// service: health: settings of the server; see the header.
#include "service/health_security.hpp"

#include <algorithm>
#include <string_view>

#include <fmt/format.h>

#include <redoubt/resp/read_reply.hpp>

#include "base/text_values.hpp"
#include "resp/building.hpp"
#include "resp/command_rows.hpp"

namespace redoubt::service {
namespace {

Command<Value> asking(const CommandSpec& spec, std::string_view about) {
    resp::Building<Value> command(spec, &read_reply);
    command.add(Argument::text(about));
    return command;
}

/// The value behind a name in a map, or in an array of both in turn.
const Value* field_of(const Value& map, std::string_view name) {
    for (std::size_t i = 0; i + 1 < map.elements.size(); i += 2) {
        if (map.elements[i].text == name) return &map.elements[i + 1];
    }
    return nullptr;
}

bool holds(const Value& flags, std::string_view flag) {
    return std::any_of(flags.elements.begin(), flags.elements.end(),
                       [&](const Value& one) { return one.text == flag; });
}

}  // namespace

Command<Value> default_user_command() { return asking(resp::spec_of("ACL GETUSER"), "default"); }
Command<Value> databases_command() { return asking(resp::spec_of("CONFIG GET"), "databases"); }
Command<Value> debug_commands_command() { return asking(resp::spec_of("CONFIG GET"), "enable-debug-command"); }

SecurityReading read_security(const result<Value>& default_user, const result<Value>& databases,
                              const result<Value>& debug_commands) {
    SecurityReading reading;
    reading.asked = true;
    if (default_user) {
        // A server that has no such user any more has none that is open.
        const Value* const flags = field_of(*default_user, "flags");
        if (flags != nullptr) reading.default_user_open = holds(*flags, "on") && holds(*flags, "nopass");
        if (default_user->is_null()) reading.default_user_open = false;
    }
    if (databases) {
        if (const Value* const number = field_of(*databases, "databases")) {
            if (const auto value = base::parse_unsigned<std::uint32_t>(number->text)) reading.databases = *value;
        }
    }
    if (debug_commands) {
        if (const Value* const value = field_of(*debug_commands, "enable-debug-command")) {
            reading.debug_commands = value->text;
        }
    }
    return reading;
}

boost::json::object security_json(const SecurityReading& security) {
    boost::json::object out;
    out["default_user"] = !security.default_user_open ? "unknown" : *security.default_user_open ? "open" : "protected";
    out["databases"] = security.databases ? boost::json::value(*security.databases) : boost::json::value("unknown");
    out["debug_commands"] = security.debug_commands.value_or("unknown");
    return out;
}

void add_security_advice(boost::json::array& advice, const SecurityReading& security) {
    if (!security.asked) return;
    if (security.default_user_open == true) {
        advice.emplace_back(
            "the server's user default is open (no password): whoever reaches the server is in every project");
    }
    if (security.databases.value_or(1) > 1) {
        advice.emplace_back(
            fmt::format("the server has {} databases: only one is used, and a project's user can copy keys into the "
                        "others, where nobody looks; set databases 1",
                        *security.databases));
    }
    if (security.debug_commands.value_or("no") != "no") {
        advice.emplace_back(
            fmt::format("debug commands are on (enable-debug-command {}): DEBUG reads any key and can stop the server",
                        *security.debug_commands));
    }
    std::string unknown;
    const auto add_unknown = [&](bool known, std::string_view what) {
        if (known) return;
        unknown += unknown.empty() ? "" : ", ";
        unknown += what;
    };
    add_unknown(security.default_user_open.has_value(), "whether the user default is open (ACL GETUSER)");
    add_unknown(security.databases.has_value(), "how many databases there are (CONFIG GET)");
    add_unknown(security.debug_commands.has_value(), "whether debug commands are on (CONFIG GET)");
    if (!unknown.empty()) advice.emplace_back("unknown, because the server does not tell this user: " + unknown);
}

}  // namespace redoubt::service
