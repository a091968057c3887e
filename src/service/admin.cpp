// service: the administrative client; see its header.
#include <redoubt/service/admin.hpp>

#include <utility>

#include <fmt/format.h>

#include <redoubt/resp/command_table.hpp>

#include "base/text_values.hpp"
#include "dispatch/dispatcher.hpp"
#include "isolation/acl_provisioner.hpp"
#include "isolation/project_id.hpp"
#include "service/log_telemetry.hpp"

namespace redoubt {
namespace {

Error no_administrator() {
    return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                     "the administrative client needs the administrator's connection: set admin_url (REDIS_ADMIN_URL)");
}

std::shared_ptr<isolation::AclProvisioner> checked(RedisServiceConfig config) {
    if (config.admin_url.empty()) raise(no_administrator());
    const std::uint32_t database = config.resolve().database;
    // It logs in as no project itself, so it needs no secret that nobody else would know.
    config.acl_users = AclUsers::off;
    return isolation::AclProvisioner::create(config, database);
}

/// Fit for a log: a name of the table. What is in none may be a whole line with a secret in it.
std::string_view shown_name(std::span<const std::string_view> words) {
    const CommandSpec* const spec = find_command(words[0], words.size() > 1 ? words[1] : std::string_view{});
    return spec != nullptr ? spec->name : "a command that is not in the table";
}

}  // namespace

RedisAdminClient::RedisAdminClient(const RedisServiceConfig& config)
    : provisioner_(checked(config)),
      operation_timeout_(config.operation_timeout),
      endpoint_(config.admin_target()->endpoint()) {}

RedisAdminClient::RedisAdminClient(std::shared_ptr<isolation::AclProvisioner> provisioner, Duration operation_timeout,
                                   std::string endpoint)
    : provisioner_(std::move(provisioner)), operation_timeout_(operation_timeout), endpoint_(std::move(endpoint)) {
    if (provisioner_ == nullptr || !provisioner_->has_administrator()) raise(no_administrator());
}

void RedisAdminClient::fail(Error error, std::string_view operation, std::string_view project_id) const {
    error.origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{endpoint_, std::string(project_id)});
    if (error.operation.empty()) error.operation = operation;
    raise(error);
}

TimePoint RedisAdminClient::begin(std::string_view what, std::string_view project_id) const {
    if (std::optional<Error> refused = dispatch::refused_here()) fail(std::move(*refused), what, project_id);
    if (!project_id.empty()) {
        service::log_info(fmt::format("administrator: {} of project {}", what, project_id));
    } else {
        service::log_info(fmt::format("administrator: {}", what));
    }
    return Clock::now() + operation_timeout_;
}

Value RedisAdminClient::command(std::span<const std::string_view> words) const {
    if (words.empty() || words[0].empty()) {
        fail(Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission, "a command needs a name"), {},
             {});
    }
    const TimePoint deadline = begin(shown_name(words), {});
    result<Value> reply = provisioner_->command(std::vector<std::string>(words.begin(), words.end()), deadline);
    if (!reply) fail(reply.error(), shown_name(words), {});
    return std::move(*reply);
}

void RedisAdminClient::provision_project(std::string_view project_id) const {
    if (std::optional<Error> bad = isolation::check_project_id(project_id))
        fail(std::move(*bad), "provision_project", {});
    const TimePoint deadline = begin("provision_project", project_id);
    if (auto error = provisioner_->provision(project_id, deadline)) {
        fail(std::move(*error), "provision_project", project_id);
    }
}

void RedisAdminClient::rotate_project(std::string_view project_id) const {
    if (std::optional<Error> bad = isolation::check_project_id(project_id)) fail(std::move(*bad), "rotate_project", {});
    const TimePoint deadline = begin("rotate_project", project_id);
    if (auto error = provisioner_->rotate(project_id, deadline)) fail(std::move(*error), "rotate_project", project_id);
}

void RedisAdminClient::remove_project(std::string_view project_id) const {
    if (std::optional<Error> bad = isolation::check_project_id(project_id)) fail(std::move(*bad), "remove_project", {});
    const TimePoint deadline = begin("remove_project", project_id);
    if (auto error = provisioner_->remove(project_id, deadline)) fail(std::move(*error), "remove_project", project_id);
}

std::vector<std::string> RedisAdminClient::list_projects() const {
    result<std::vector<std::string>> projects = provisioner_->list(begin("list_projects", {}));
    if (!projects) fail(projects.error(), "list_projects", {});
    return std::move(*projects);
}

}  // namespace redoubt
