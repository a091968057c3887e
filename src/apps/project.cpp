// apps: `redoubt project`: the server's ACL users of projects, for an administrator.
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>

#include <redoubt/redoubt.hpp>

#include "apps/commands.hpp"
#include "apps/output.hpp"

namespace redoubt::apps {
namespace {

struct ProjectOptions {
    std::string admin_url;
    std::string id;
    std::string confirm;
    bool json = false;
};

RedisAdminClient administrator(const ProjectOptions& options) {
    RedisServiceConfig config = RedisServiceConfig::from_env();
    if (!options.admin_url.empty()) config.admin_url = options.admin_url;
    // Whatever the projects' processes are to do with users: this one only makes them.
    config.acl_users = AclUsers::off;
    return RedisAdminClient(config);
}

void tell(const ProjectOptions& options, const char* what) {
    if (options.json) {
        print_json({{what, options.id}}, true);
    } else {
        print_line(fmt::format("{} {}", what, options.id));
    }
}

int run_add(const ProjectOptions& options) {
    administrator(options).provision_project(options.id);
    tell(options, "added");
    return 0;
}

int run_rotate(const ProjectOptions& options) {
    administrator(options).rotate_project(options.id);
    tell(options, "rotated");
    return 0;
}

int run_remove(const ProjectOptions& options) {
    if (options.confirm != options.id) {
        throw UsageError(fmt::format(
            "project remove ends all access of the project at once (its keys stay): add --confirm {}", options.id));
    }
    administrator(options).remove_project(options.id);
    tell(options, "removed");
    return 0;
}

int run_list(const ProjectOptions& options) {
    const std::vector<std::string> projects = administrator(options).list_projects();
    if (options.json) {
        print_json({{"projects", boost::json::array(projects.begin(), projects.end())}}, true);
        return 0;
    }
    for (const std::string& project : projects) print_line(project);
    return 0;
}

}  // namespace

void add_project(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<ProjectOptions>();
    CLI::App* command = app.add_subcommand("project", "Make, list, change and remove the server's users of projects");
    command->require_subcommand(1);
    const auto add = [&](const char* name, const char* text, bool takes_id, int (*run)(const ProjectOptions&)) {
        CLI::App* sub = command->add_subcommand(name, text);
        if (takes_id) sub->add_option("ID", options->id, "The project")->required();
        sub->add_option("--admin-url", options->admin_url,
                        "The server as an administrator, instead of REDIS_ADMIN_URL (others can read the arguments of "
                        "a command: keep a password in REDIS_ADMIN_URL)");
        sub->add_flag("--json", options->json, "Print JSON, one value a line");
        sub->callback([options, run, &invocation] { invocation.run = [options, run] { return run(*options); }; });
        return sub;
    };
    add("add", "Make the user proj_ID, or set it anew; with REDIS_ACL_SECRET also its secret", true, run_add);
    add("list", "The projects that have a user", false, run_list);
    add("rotate", "Take away every secret of the user but the one that REDIS_ACL_SECRET gives", true, run_rotate);
    add("remove", "Delete the user, which ends its connections; its keys stay", true, run_remove)
        ->add_option("--confirm", options->confirm, "The project again, to be sure");
}

}  // namespace redoubt::apps
