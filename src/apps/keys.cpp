// apps: `redoubt keys`: counting and deleting the keys of one project.
#include <memory>
#include <string>

#include <fmt/format.h>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

struct KeysOptions {
    TargetOptions target;
    std::string project;
    std::string match;
    std::string confirm;
    std::uint64_t cursor = 0;
    bool dry_run = false;
};

template <class Use>
void with_project(const KeysOptions& options, const Use& use) {
    ConnectionTarget target(options.target);
    RedisService service(target.config);
    service.initialize();
    use(service.get_connection(options.project));
    service.close();
}

int run_count(const KeysOptions& options) {
    with_project(options, [&](const ProjectIsolatedRedisClient& redis) {
        const std::uint64_t count = redis.count_keys(options.match);
        options.target.json ? print_json({{"keys", count}}, true) : print_line(fmt::format("{}", count));
    });
    return 0;
}

boost::json::object to_json(const DeleteKeysProgress& progress) {
    return {{"found", progress.found},
            {"deleted", progress.deleted},
            {"cursor", progress.cursor},
            {"finished", progress.finished}};
}

int run_delete(const KeysOptions& options) {
    if (!options.dry_run && options.confirm != options.project) {
        throw UsageError(
            fmt::format("keys delete cannot be undone: add --confirm {}, or --dry-run to see how many keys "
                        "it would delete",
                        options.project));
    }
    with_project(options, [&](const ProjectIsolatedRedisClient& redis) {
        DeleteKeysOptions how;
        how.match = options.match;
        how.cursor = options.cursor;
        how.dry_run = options.dry_run;
        DeleteKeysProgress last;
        try {
            last = redis.delete_all_keys(how, [&](const DeleteKeysProgress& progress) {
                last = progress;
                return true;
            });
        } catch (const RedisException&) {
            print_error(
                fmt::format("redoubt: {} keys were deleted; go on with --cursor {}", last.deleted, last.cursor));
            throw;
        }
        if (options.target.json) return print_json(to_json(last), true);
        print_line(options.dry_run ? fmt::format("{} keys would be deleted", last.found)
                                   : fmt::format("{} keys deleted", last.deleted));
    });
    return 0;
}

}  // namespace

void add_keys(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<KeysOptions>();
    CLI::App* command = app.add_subcommand("keys", "Count or delete the keys of one project");
    command->require_subcommand(1);
    const auto add = [&](const char* name, const char* text, int (*run)(const KeysOptions&)) {
        CLI::App* sub = command->add_subcommand(name, text);
        sub->add_option("--project", options->project, "The project")->required();
        sub->add_option("--match", options->match, "Only keys that match this glob");
        add_target_options(*sub, options->target);
        sub->callback([options, run, &invocation] { invocation.run = [options, run] { return run(*options); }; });
        return sub;
    };
    add("count", "How many keys there are", run_count);
    CLI::App* const remove = add("delete", "Delete them, in small steps", run_delete);
    remove->add_option("--confirm", options->confirm, "The project again, to be sure");
    remove->add_flag("--dry-run", options->dry_run, "Only say how many");
    remove->add_option("--cursor", options->cursor, "Go on where an earlier run failed");
}

}  // namespace redoubt::apps
