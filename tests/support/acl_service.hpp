// tests: a service whose projects have users of their own at the server, and a raw connection that logs in as one.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "isolation/acl_secret.hpp"
#include "support/live_service.hpp"

namespace redoubt::testing {

inline constexpr std::string_view acl_master = "a master secret that is long enough!";

class AclServiceTest : public LiveServiceTest {
protected:
    /// Users are made by the server's administrator; their secrets are derived from `acl_master`.
    RedisServiceConfig acl_config() {
        RedisServiceConfig given = config();
        given.acl_users = AclUsers::provisioned;
        given.admin_url = server().url();
        given.acl_secret = acl_master;
        return given;
    }
    RedisService& start(const RedisServiceConfig& given) {
        service_ = std::make_unique<RedisService>(given);
        service_->initialize();
        return *service_;
    }
    RedisService& start() { return start(acl_config()); }
    void close_service() { service_.reset(); }

    static std::string secret_of(const std::string& project) { return isolation::hmac_hex(acl_master, project); }
    /// What the server answers to a login: `+OK`, or why not.
    std::string log_in(RawClient& connection, const std::string& user, const std::string& secret) {
        return connection.command({"AUTH", user, secret});
    }
    /// A connection that the library knows nothing of, as the project's user.
    RawClient raw_as(const std::string& project) {
        RawClient connection(server());
        EXPECT_EQ(log_in(connection, "proj_" + project, secret_of(project)), "+OK\r\n");
        return connection;
    }
    /// The users of all connections, as CLIENT LIST shows them.
    std::vector<std::string> connected_users() {
        std::vector<std::string> users;
        const std::string list = raw().command({"CLIENT", "LIST"});
        for (std::size_t at = list.find(" user="); at != std::string::npos; at = list.find(" user=", at + 1)) {
            const std::size_t from = at + 6;
            users.push_back(list.substr(from, list.find_first_of(" \n\r", from) - from));
        }
        return users;
    }
    bool is_connected(std::string_view user) {
        const std::vector<std::string> users = connected_users();
        return std::find(users.begin(), users.end(), user) != users.end();
    }
    std::vector<std::string> users() { return raw().sorted_strings({"ACL", "USERS"}); }
    std::size_t secrets_of_user(const std::string& user) {
        const std::string told = raw().command({"ACL", "GETUSER", user});
        std::size_t count = 0;
        const std::size_t from = told.find("passwords");
        for (std::size_t at = told.find("$64\r\n", from); at != std::string::npos; at = told.find("$64\r\n", at + 1)) {
            ++count;
        }
        return count;
    }

private:
    std::unique_ptr<RedisService> service_;
};

}  // namespace redoubt::testing
