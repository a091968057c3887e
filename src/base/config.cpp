// base: the configuration read from its sources, checked as a whole, and refused with every reason at once.
#include <redoubt/base/config.hpp>

#include <algorithm>
#include <cstdlib>
#include <iterator>
#include <set>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

#include "base/settings.hpp"
#include "base/target_url.hpp"
#include "base/text_values.hpp"

namespace redoubt {

namespace {

constexpr std::size_t max_shown = 200;

[[noreturn]] void refuse(const std::vector<base::Problem>& problems) {
    std::string text = fmt::format("{} bad {}: ", problems.size(), problems.size() == 1 ? "setting" : "settings");
    std::string_view separator;
    for (const auto& problem : problems) {
        const std::string value = base::escaped(std::string_view{problem.value}.substr(0, max_shown));
        fmt::format_to(std::back_inserter(text), "{}{} is \"{}\", allowed: {}", separator, problem.name, value,
                       problem.allowed);
        separator = "; ";
    }
    raise(Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::admission, std::move(text)));
}

/// One reading of all settings from their sources, which remembers what could not be read.
class Reading {
public:
    explicit Reading(RedisServiceConfig config) : config_(std::move(config)) {}

    void take_variables(const std::function<std::optional<std::string>(std::string_view)>& lookup) {
        if (auto url = lookup("REDIS_URL")) config_.url = std::move(*url);
        // Secrets of the administrator's are no options of a URL that projects' processes pass around.
        if (auto url = lookup("REDIS_ADMIN_URL")) config_.admin_url = std::move(*url);
        if (auto secret = lookup("REDIS_ACL_SECRET")) config_.acl_secret = std::move(*secret);
        if (auto secret = lookup("REDIS_SENTINEL_PASSWORD")) config_.sentinel_password = std::move(*secret);
        for (const auto& setting : base::all_settings())
            if (const auto text = lookup(setting.variable)) take(setting, base::full_name(setting), *text);
    }

    /// Applies the URL's options and checks everything. Call once.
    void check() {
        base::ParsedUrl url = base::parse_url(config_.url);
        problems_.insert(problems_.end(), url.problems.begin(), url.problems.end());
        for (const auto& [name, text] : url.options) {
            if (const auto* const setting = base::find_setting(name)) {
                in_url_.insert(setting);
                take(*setting, fmt::format("URL option {}", name), text);
            } else if (name == "sentinel_password") {
                config_.sentinel_password = text;  // in no table, for tables are shown
            } else {
                refuse_option(name);
            }
        }
        for (const auto& setting : base::all_settings()) {
            if (bad_.contains(&setting)) continue;
            if (auto allowed = base::check_bounds(setting, config_)) {
                problems_.push_back(
                    {in_url_.contains(&setting) ? fmt::format("URL option {}", setting.name) : base::full_name(setting),
                     base::current_value(setting, config_), std::move(*allowed)});
                bad_.insert(&setting);
            }
        }
        const auto relations = base::check_relations(config_, url.target ? &*url.target : nullptr, bad_);
        problems_.insert(problems_.end(), relations.begin(), relations.end());
        if (config_.allow_unconfined_scripts && config_.environment != Environment::development) {
            problems_.push_back({"allow_unconfined_scripts (REDIS_ALLOW_UNCONFINED_SCRIPTS)", "yes",
                                 "no outside environment (REDIS_ENVIRONMENT) development", true});
        }
        const auto of_secrets = base::check_secrets(config_);
        problems_.insert(problems_.end(), of_secrets.begin(), of_secrets.end());
        if (url.target) target_ = std::move(*url.target);
    }

    const std::vector<base::Problem>& problems() const noexcept { return problems_; }
    const RedisServiceConfig& config() const noexcept { return config_; }
    const Target& target() const noexcept { return target_; }

private:
    void take(const base::Setting& setting, std::string name, const std::string& text) {
        if (auto allowed = base::parse_into(setting, text, config_)) {
            problems_.push_back({std::move(name), text, std::move(*allowed)});
            bad_.insert(&setting);
        } else {
            bad_.erase(&setting);
        }
    }

    void refuse_option(const std::string& name) {
        std::string allowed = "db";
        for (const auto& setting : base::all_settings())
            fmt::format_to(std::back_inserter(allowed), ", {}", setting.name);
        allowed += "; with redis+sentinel:// also master and sentinel_password";
        problems_.push_back({"URL option", name, std::move(allowed)});
    }

    RedisServiceConfig config_;
    Target target_;
    std::vector<base::Problem> problems_;
    std::set<const base::Setting*> bad_;
    std::set<const base::Setting*> in_url_;
};

}  // namespace

RedisServiceConfig RedisServiceConfig::from_env() {
    return from_env([](std::string_view name) -> std::optional<std::string> {
        const char* const value = std::getenv(std::string{name}.c_str());
        return value ? std::optional<std::string>{value} : std::nullopt;
    });
}

RedisServiceConfig RedisServiceConfig::from_env(
    const std::function<std::optional<std::string>(std::string_view name)>& lookup) {
    Reading variables{RedisServiceConfig{}};
    variables.take_variables(lookup);
    Reading checked = variables;
    checked.check();
    // What is bad only together with another setting is left to `resolve`: the caller may still change either.
    if (std::any_of(checked.problems().begin(), checked.problems().end(),
                    [](const base::Problem& problem) { return !problem.relative; }))
        refuse(checked.problems());
    // Without the URL's options: the caller may still choose another URL.
    return variables.config();
}

Target RedisServiceConfig::resolve() {
    Reading reading{*this};
    reading.check();
    if (!reading.problems().empty()) refuse(reading.problems());
    *this = reading.config();
    return reading.target();
}

std::optional<Target> RedisServiceConfig::admin_target() const {
    if (admin_url.empty()) return std::nullopt;
    base::ParsedUrl parsed = base::parse_url(admin_url);
    for (base::Problem& problem : parsed.problems) problem.name = "admin_url (REDIS_ADMIN_URL)";
    if (!parsed.target) refuse(parsed.problems);
    return std::move(*parsed.target);
}

}  // namespace redoubt
