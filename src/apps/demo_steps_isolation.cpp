// apps: demo: two projects on one server, and what happens to whoever reaches across.
#include <algorithm>
#include <exception>
#include <initializer_list>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "apps/demo.hpp"
#include "apps/output.hpp"

namespace redoubt::apps {
namespace {

constexpr std::string_view key = "user_data";

std::string shown(const std::optional<std::string>& value) { return value ? fmt::format("\"{}\"", *value) : "nil"; }

/// Empty when `attempt` is refused by the isolation, else what happened instead.
std::string not_refused(std::string_view what, const std::function<void()>& attempt) {
    try {
        attempt();
        return fmt::format("{} was carried out", what);
    } catch (const RedisProjectIsolationException&) {
        return {};
    } catch (const std::exception& other) {
        return fmt::format("{}: {}", what, describe(other));
    }
}

StepResult same_key_twice(Demo& demo) {
    ProjectIsolatedRedisClient alpha = demo.project(demo.alpha);
    ProjectIsolatedRedisClient beta = demo.project(demo.beta);
    alpha.set(key, "of alpha");
    beta.set(key, "of beta");
    const std::optional<std::string> of_alpha = alpha.get(key);
    const std::optional<std::string> of_beta = beta.get(key);
    return StepResult::check(
        of_alpha == "of alpha" && of_beta == "of beta",
        fmt::format("{} reads {}, {} reads {}", demo.alpha, shown(of_alpha), demo.beta, shown(of_beta)),
        "alpha reads \"of alpha\", beta reads \"of beta\"");
}

StepResult stored_names(Demo& demo) {
    if (!demo.is_own()) return StepResult::skipped("only the demo's own server is asked past the library");
    std::vector<std::string> names;
    for (const EmbeddedServer* const server : demo.own_masters()) {
        for (std::string& name : ask_server(*server, {"KEYS", "proj:*"})) {
            // The library's own project: in a Cluster it notes there how keys are laid out.
            if (!name.starts_with("proj:_")) names.push_back(std::move(name));
        }
    }
    std::sort(names.begin(), names.end());
    const std::vector<std::string> expected{fmt::format("proj:{}:{}", demo.alpha, key),
                                            fmt::format("proj:{}:{}", demo.beta, key)};
    return StepResult::check(names == expected, fmt::format("{}", fmt::join(names, ", ")),
                             fmt::format("{}", fmt::join(expected, ", ")));
}

StepResult across_projects(Demo& demo) {
    ProjectIsolatedRedisClient alpha = demo.project(demo.alpha);
    const std::string foreign_name = fmt::format("proj:{}:{}", demo.beta, key);
    if (const auto seen = alpha.get(foreign_name)) {
        return StepResult::failed(fmt::format("{} is a name of alpha's own, so nil", foreign_name), shown(seen));
    }
    std::vector<std::string> problems;
    const auto refuse = [&problems](std::string_view what, const std::function<void()>& attempt) {
        if (std::string problem = not_refused(what, attempt); !problem.empty()) problems.push_back(std::move(problem));
    };
    refuse("KEYS *", [&] { alpha.command("KEYS", "*"); });
    refuse("RANDOMKEY", [&] { alpha.command("RANDOMKEY"); });
    std::string tried = "KEYS *, RANDOMKEY";
    if (demo.is_own()) {  // should it ever get through, then not on somebody's data
        refuse("FLUSHALL", [&] { alpha.command("FLUSHALL"); });
        tried += ", FLUSHALL";
    }
    refuse("project id with a colon", [&] { demo.project(demo.beta + ":" + std::string(key)); });
    const std::optional<std::string> of_beta = demo.project(demo.beta).get(key);
    if (of_beta != "of beta") problems.push_back("beta then read " + shown(of_beta));
    return StepResult::check(problems.empty(),
                             problems.empty() ? tried + " and a project id with ':' refused before a byte was sent"
                                              : fmt::format("{}", fmt::join(problems, "; ")),
                             "RedisProjectIsolationException for each, and beta's value untouched");
}

StepResult no_project(Demo& demo) {
    try {
        demo.project("");
    } catch (const RedisProjectIsolationException& refusal) {
        return StepResult::passed(describe(refusal));
    }
    const std::string_view why =
        demo.config.environment == Environment::development ? " (REDIS_ENVIRONMENT is development)" : "";
    return StepResult::failed("RedisProjectIsolationException", fmt::format("a connection without a project{}", why));
}

}  // namespace

void show_isolation(Demo& demo) {
    demo.report.step("one key, two projects", [&] { return same_key_twice(demo); });
    demo.report.step("the names that the server stores", [&] { return stored_names(demo); });
    demo.report.step("reaching across projects refused", [&] { return across_projects(demo); });
    demo.report.step("a missing project id refused", [&] { return no_project(demo); });
}

void clean_up(Demo& demo) {
    demo.report.step("own keys deleted again", [&] {
        std::int64_t deleted = 0;
        const auto remove = [&deleted](ProjectIsolatedRedisClient client, const std::vector<std::string>& keys) {
            constexpr std::size_t most = 500;
            for (std::size_t from = 0; from < keys.size(); from += most) {
                std::vector<std::string_view> words{"DEL"};
                words.insert(words.end(), keys.begin() + static_cast<std::ptrdiff_t>(from),
                             keys.begin() + static_cast<std::ptrdiff_t>(std::min(from + most, keys.size())));
                deleted += client.command(std::span<const std::string_view>(words)).integer;
            }
        };
        std::vector<std::string> of_alpha = bulk_keys();
        of_alpha.emplace_back(key);
        const auto expected = static_cast<std::int64_t>(of_alpha.size()) + 1;
        remove(demo.project(demo.alpha), of_alpha);
        remove(demo.project(demo.beta), {std::string(key)});
        return StepResult::check(deleted == expected, fmt::format("{} keys", deleted),
                                 fmt::format("{} keys", expected));
    });
}

}  // namespace redoubt::apps
