// service: RedisAdminClient: what an administrator does outside every project, through a connection of its own.
#pragma once

#include <array>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/config.hpp>
#include <redoubt/base/exceptions.hpp>
#include <redoubt/resp/value.hpp>
#include <redoubt/service/commands.hpp>

namespace redoubt {

namespace isolation {
class AclProvisioner;
}

/// The only way around the prefix: what it is asked for goes to the server as it is, as the user of `admin_url`. Each
/// call is logged at info with the name of its command and its project, never with arguments.
///
/// Blocking: a call waits at most `operation_timeout`, and is refused on the service's own I/O threads. Copyable;
/// thread-safe. It may outlive its service: its calls then fail.
class RedisAdminClient {
public:
    /// For a program that serves no project; `RedisService::admin` is for one that does. Of the configuration it takes
    /// `admin_url`, `acl_secret` (or its provider), `script_projects`, the database of `url`, TLS and the time-outs; it
    /// connects with the first call.
    /// @throws RedisConfigurationException naming every bad field, or when `admin_url` is empty
    explicit RedisAdminClient(const RedisServiceConfig& config);
    /// Made by `RedisService::admin`.
    RedisAdminClient(std::shared_ptr<isolation::AclProvisioner> provisioner, Duration operation_timeout,
                     std::string endpoint);

    /// One command as words, unprefixed, on a connection that is closed afterwards: what it changes of that connection
    /// (SELECT, MULTI) is gone with it. An error reply is thrown.
    template <service::Text... Words>
    Value command(const Words&... words) const {
        const std::array<std::string_view, sizeof...(Words)> argv{std::string_view(words)...};
        return command(std::span<const std::string_view>(argv));
    }
    Value command(std::span<const std::string_view> words) const;

    /// Makes the server's user of the project, or sets it anew but for its secrets. Its secret is derived from
    /// `acl_secret`; without one, and outside a service with `acl_users`, it is made without any, and each process that
    /// uses the project adds its own.
    /// @throws RedisProjectIsolationException for a bad id; RedisAuthenticationException, RedisConnectionException,
    ///         RedisOperationTimeoutException
    void provision_project(std::string_view project_id) const;
    /// Adds a new secret, lets new connections use it, then takes every other one away. Connections that are open stay,
    /// so no call fails. A derived secret is new when `acl_secret` is.
    void rotate_project(std::string_view project_id) const;
    /// Deletes the user, which ends its connections; its keys stay. Handles of this service fail from then on, until it
    /// is provisioned again. Another process that uses the project with `acl_users=on` makes the user again.
    /// @throws RedisConfigurationException when there is no such user, and as above
    void remove_project(std::string_view project_id) const;
    /// The ids of all projects that have a user, in order.
    std::vector<std::string> list_projects() const;

private:
    TimePoint begin(std::string_view what, std::string_view project_id) const;
    [[noreturn]] void fail(Error error, std::string_view operation, std::string_view project_id) const;

    std::shared_ptr<isolation::AclProvisioner> provisioner_;
    Duration operation_timeout_;
    std::string endpoint_;
};

}  // namespace redoubt
