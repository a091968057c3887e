// base: the one table of all settings: their names, where they live, and what each allows.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <redoubt/base/config.hpp>

namespace redoubt::base {

/// One bad setting.
struct Problem {
    std::string name;     ///< as its user knows it: `max_connections (REDIS_MAX_CONNECTIONS)`
    std::string value;    ///< secrets masked; empty when there is nothing to show
    std::string allowed;  ///< what would be right
    /// Bad only together with another setting, which may still change after `from_env`.
    bool relative = false;
};

/// Where a setting of type T lives, and its bounds, both included.
template <class T>
struct Bounded {
    T& (*field)(RedisServiceConfig&);
    T low;
    T high;
};
template <class T>
struct Unbounded {
    T& (*field)(RedisServiceConfig&);
};

struct Setting {
    std::string_view name;      ///< the option in a URL
    std::string_view variable;  ///< in the environment
    std::variant<Bounded<std::size_t>, Bounded<std::uint32_t>, Bounded<Duration>, Bounded<double>, Unbounded<bool>,
                 Unbounded<std::string>, Unbounded<Environment>, Unbounded<Protocol>, Unbounded<PoolMode>,
                 Unbounded<AclUsers>, Unbounded<ReadFrom>>
        place;
};

std::span<const Setting> all_settings() noexcept;
const Setting* find_setting(std::string_view name) noexcept;

/// `name (VARIABLE)`.
std::string full_name(const Setting& setting);

/// Reads `text` into the setting's field; when it cannot be read, leaves the field alone and returns what is
/// allowed. Does not look at the bounds: `check_bounds` does, whoever set the field.
std::optional<std::string> parse_into(const Setting& setting, std::string_view text, RedisServiceConfig& config);

/// What is allowed, when the field is out of bounds.
std::optional<std::string> check_bounds(const Setting& setting, const RedisServiceConfig& config);

/// The field as a user would write it.
std::string current_value(const Setting& setting, const RedisServiceConfig& config);

/// What is wrong with the settings that hold secrets, which are in no table and no URL, each with its value masked.
std::vector<Problem> check_secrets(const RedisServiceConfig& config);

/// What is wrong with settings taken together. Those in `bad` were refused already and are not compared, and
/// `target` is null when the URL names none.
std::vector<Problem> check_relations(const RedisServiceConfig& config, const Target* target,
                                     const std::set<const Setting*>& bad);

}  // namespace redoubt::base
