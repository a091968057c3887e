// service: ACL users come, change their secrets and go while calls run: restarts, rotation, removal, several processes,
// and an administrator's connection that does not work.
#include <redoubt/service/service.hpp>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio.hpp>

#include "support/acl_service.hpp"
#include "support/loops.hpp"
#include "support/processes.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using testing::contains;
using testing::error_of;
using testing::eventually;
using testing::RawClient;
using Texts = std::vector<std::string>;

class AclLifecycle : public testing::AclServiceTest {
protected:
    /// With a secret that is another one each time it is asked for, as a store of secrets gives them.
    RedisServiceConfig changing_config() {
        RedisServiceConfig given = acl_config();
        given.acl_secret.clear();
        given.acl_secret_provider = [this](std::string_view project) {
            const std::lock_guard lock(mutex_);
            given_.push_back(std::string(project) + "-secret-" + std::to_string(given_.size()));
            return given_.back();
        };
        return given;
    }
    Texts given_secrets() {
        const std::lock_guard lock(mutex_);
        return given_;
    }

private:
    std::mutex mutex_;
    Texts given_;
};

TEST_P(AclLifecycle, AfterARestartWithoutThemTheUsersAreMadeAgain) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("k", "v");
    EXPECT_EQ(alpha.scan(0).keys, Texts{"k"});
    server().restart();
    RawClient after(server());
    EXPECT_EQ(after.sorted_strings({"ACL", "USERS"}), Texts{"default"});
    EXPECT_TRUE(eventually([&] { return alpha.try_set("k", "again").has_value(); }));
    EXPECT_EQ(alpha.get("k"), "again");
    EXPECT_EQ(alpha.async().get("k")(asio::use_future).get(), "again");
    EXPECT_TRUE(eventually([&] { return alpha.try_scan(0).has_value(); }));
    EXPECT_EQ(after.sorted_strings({"ACL", "USERS"}), (Texts{"default", "proj_alpha", "redoubt_scan"}));
}

TEST_P(AclLifecycle, AfterARestartAsyncCallsMakeThemAgain) {
    RedisService& service = start();
    AsyncProjectRedisClient alpha = service.get_connection("alpha").async();
    alpha.set("k", "v")(asio::use_future).get();
    server().restart();
    EXPECT_TRUE(eventually([&] { return alpha.try_set("k", "again")(asio::use_future).get().has_value(); }));
    EXPECT_EQ(alpha.get("k")(asio::use_future).get(), "again");
}

/// No call fails, although secrets change under it all the time and connections are replaced every few milliseconds.
TEST_P(AclLifecycle, RotationUnderConcurrentCallsFailsNone) {
    RedisServiceConfig given = changing_config();
    given.connection_lifetime = 20ms;
    given.max_total_connections = 100;
    given.operation_timeout = 60s;  // the machine may be busy
    given.attempt_timeout = 30s;
    RedisService& service = start(given);
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("n", "0");
    std::atomic<bool> stop{false};
    std::atomic<std::size_t> calls{0};
    std::atomic<std::size_t> failures{0};
    std::mutex mutex;
    std::string first_failure;
    const auto count = [&](const auto& outcome) {
        calls.fetch_add(1);
        if (outcome.has_value()) return;
        failures.fetch_add(1);
        const std::lock_guard lock(mutex);
        if (first_failure.empty()) first_failure = outcome.error().message();
    };
    std::vector<std::thread> callers;
    for (int i = 0; i < 3; ++i) {
        callers.emplace_back([&] {
            while (!stop) count(alpha.try_incr("n"));
        });
    }
    callers.emplace_back([&] {
        while (!stop) count(alpha.async().try_get("n")(asio::use_future).get());
    });
    constexpr int rotations = 15;
    const RedisAdminClient admin = service.admin();
    const auto connections = [&] { return std::stoul(raw().info("total_connections_received")); };
    const auto at_first = connections();
    for (int i = 0; i < rotations; ++i) {
        const std::size_t before = calls;
        const auto opened = connections();
        admin.rotate_project("alpha");
        // The next secret comes when somebody has logged in with this one.
        EXPECT_TRUE(eventually([&] { return calls >= before + 50 && connections() > opened; }));
    }
    const auto opened = connections() - at_first;
    stop = true;
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(failures, 0u) << first_failure;
    EXPECT_EQ(secrets_of_user("proj_alpha"), 1u);
    // Only the last secret is good for anything.
    const Texts secrets = given_secrets();
    EXPECT_GE(secrets.size(), static_cast<std::size_t>(rotations));
    std::size_t good = 0;
    for (const std::string& secret : secrets) {
        RawClient connection(server());
        good += log_in(connection, "proj_alpha", secret) == "+OK\r\n" ? 1 : 0;
    }
    EXPECT_EQ(good, 1u);
    std::printf("%s: %d rotations, %lu connections, %zu calls, %zu failed\n", GetParam().c_str(), rotations, opened,
                calls.load(), failures.load());
}

TEST_P(AclLifecycle, AConnectionOutlivesTheRotationOfItsSecret) {
    RedisService& service = start(changing_config());
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    alpha.set("k", "v");
    const std::string first = given_secrets().front();
    RawClient held(server());
    ASSERT_EQ(log_in(held, "proj_alpha", first), "+OK\r\n");
    service.admin().rotate_project("alpha");
    EXPECT_EQ(held.command({"GET", "proj:alpha:k"}), "$1\r\nv\r\n");
    RawClient late(server());
    EXPECT_TRUE(log_in(late, "proj_alpha", first).starts_with("-WRONGPASS"));
}

TEST_P(AclLifecycle, RemovalEndsAccessAndKeepsTheKeys) {
    RedisService& service = start();
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    ProjectIsolatedRedisClient beta = service.get_connection("beta");
    alpha.set("k", "v");
    beta.set("k", "v");
    alpha.async().get("k")(asio::use_future).get();
    RawClient held = raw_as("alpha");
    service.admin().remove_project("alpha");
    EXPECT_EQ(users(), (Texts{"default", "proj_beta"}));
    EXPECT_ANY_THROW(held.command({"GET", "proj:alpha:k"}));
    const auto is_refused = [&](const auto& outcome) {
        return !outcome.has_value() && outcome.error().kind == ErrorKind::authentication &&
               contains(outcome.error().message(), "removed");
    };
    // A call that was under way may have been told of the lost connection first.
    EXPECT_TRUE(eventually([&] { return is_refused(alpha.try_get("k")); }));
    EXPECT_TRUE(eventually([&] { return is_refused(alpha.async().try_get("k")(asio::use_future).get()); }));
    EXPECT_EQ(users(), (Texts{"default", "proj_beta"}));
    EXPECT_EQ(beta.get("k"), "v");
    EXPECT_EQ(raw().sorted_strings({"KEYS", "*"}), (Texts{"proj:alpha:k", "proj:beta:k"}));
    const Error again = error_of([&] { service.admin().remove_project("alpha"); });
    EXPECT_EQ(again.kind, ErrorKind::configuration);
    EXPECT_TRUE(contains(again.message(), "no such user")) << again.message();
    service.admin().provision_project("alpha");
    EXPECT_TRUE(eventually([&] { return alpha.try_get("k").has_value(); }));
}

/// Two processes know nothing of each other's random secrets; here two services.
TEST_P(AclLifecycle, ProcessesWithSecretsOfTheirOwnShareAUser) {
    RedisServiceConfig given = acl_config();
    given.acl_secret.clear();
    RedisService other(given);
    other.initialize();
    RedisService& service = start(given);
    ProjectIsolatedRedisClient here = service.get_connection("alpha");
    ProjectIsolatedRedisClient there = other.get_connection("alpha");
    here.set("k", "here");
    EXPECT_EQ(there.get("k"), "here");
    EXPECT_EQ(secrets_of_user("proj_alpha"), 2u);
    service.admin().rotate_project("alpha");
    EXPECT_EQ(secrets_of_user("proj_alpha"), 1u);
    // The other's connection stays; when it is lost, the other finds its secret refused and adds one again.
    EXPECT_EQ(there.get("k"), "here");
    raw().command({"CLIENT", "KILL", "USER", "proj_alpha"});
    EXPECT_TRUE(eventually([&] { return there.try_get("k").has_value(); }));
    EXPECT_TRUE(eventually([&] { return here.try_get("k").has_value(); }));
    EXPECT_EQ(secrets_of_user("proj_alpha"), 2u);
}

TEST_P(AclLifecycle, SecretsOfProcessesThatEndedDoNotPileUp) {
    RedisServiceConfig given = acl_config();
    given.acl_secret.clear();
    for (int i = 0; i < 20; ++i) {
        RedisService process(given);
        process.initialize();
        process.get_connection("alpha").set("k", "v");
    }
    EXPECT_LE(secrets_of_user("proj_alpha"), 16u);
    EXPECT_GE(secrets_of_user("proj_alpha"), 1u);
}

TEST_P(AclLifecycle, UsersThatTheOperatorMade) {
    const RedisAdminClient admin(acl_config());
    admin.provision_project("alpha");
    RedisServiceConfig given = acl_config();
    given.acl_users = AclUsers::existing;
    given.admin_url.clear();
    RedisService& service = start(given);
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    EXPECT_TRUE(alpha.set("k", "v"));
    EXPECT_TRUE(is_connected("proj_alpha"));
    const auto unknown = service.get_connection("beta").try_get("k");
    ASSERT_FALSE(unknown.has_value());
    EXPECT_EQ(unknown.error().kind, ErrorKind::authentication);
    EXPECT_TRUE(contains(unknown.error().message(), "existing")) << unknown.error().message();
    EXPECT_EQ(users(), (Texts{"default", "proj_alpha"}));
}

TEST_P(AclLifecycle, AWrongAdministratorsPasswordIsToldClearly) {
    raw().command({"ACL", "SETUSER", "boss", "on", ">right", "~*", "&*", "+@all"});
    RedisServiceConfig given = acl_config();
    given.admin_url = "unix://boss:very-wrong@" + server().socket_path();
    RedisService& service = start(given);
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    for (const Error& error : {error_of([&] { alpha.set("k", "v"); }),
                               error_of([&] { alpha.async().set("k", "v")(asio::use_future).get(); }),
                               error_of([&] { service.admin().provision_project("alpha"); })}) {
        EXPECT_EQ(error.kind, ErrorKind::authentication) << error.message();
        EXPECT_EQ(error.certainty, Certainty::not_sent);
        EXPECT_TRUE(contains(error.message(), "admin_url")) << error.message();
        EXPECT_TRUE(contains(error.message(), "proj_alpha")) << error.message();
        EXPECT_TRUE(contains(error.message(), "WRONGPASS")) << error.message();
        EXPECT_FALSE(contains(error.message(), "very-wrong")) << error.message();
    }
    EXPECT_EQ(service.circuit_state(), CircuitState::closed);
}

TEST_P(AclLifecycle, AnAdministratorWhoMayNotMakeUsersIsToldClearly) {
    raw().command({"ACL", "SETUSER", "boss", "on", ">right", "~*", "&*", "+@all", "-acl|setuser"});
    RedisServiceConfig given = acl_config();
    given.admin_url = "unix://boss:right@" + server().socket_path();
    const Error error = error_of([&] { start(given).get_connection("alpha").set("k", "v"); });
    EXPECT_EQ(error.kind, ErrorKind::authentication);
    EXPECT_TRUE(contains(error.message(), "NOPERM")) << error.message();
}

TEST_P(AclLifecycle, AProviderThatThrowsEndsTheDialWithItsReason) {
    RedisServiceConfig given = acl_config();
    given.acl_secret.clear();
    given.acl_secret_provider = [](std::string_view) -> std::string { throw std::runtime_error("the vault is shut"); };
    const Error error = error_of([&] { start(given).get_connection("alpha").set("k", "v"); });
    EXPECT_EQ(error.kind, ErrorKind::configuration);
    EXPECT_TRUE(contains(error.message(), "the vault is shut")) << error.message();
}

/// Closing ends a wait for a server that hangs, at once.
TEST_P(AclLifecycle, ClosingDoesNotWaitForTheAdministratorsConnection) {
    RedisServiceConfig given = acl_config();
    given.connection_timeout = 60s;
    given.operation_timeout = 60s;
    given.attempt_timeout = 60s;
    RedisService& service = start(given);
    ProjectIsolatedRedisClient alpha = service.get_connection("alpha");
    server().pause();
    auto async = alpha.async().try_get("k")(asio::use_future);
    std::thread blocking([&] { EXPECT_FALSE(alpha.try_get("k").has_value()); });
    EXPECT_TRUE(eventually([&] {
        const boost::json::object metrics = service.get_metrics();
        const auto& pools = metrics.at("connection_factory").at("pools").as_object();
        return pools.at("alpha").at("waiting_callers").to_number<int>() >= 1;
    }));
    const TimePoint begin = Clock::now();
    close_service();
    EXPECT_LT(Clock::now() - begin, 20s);
    EXPECT_FALSE(async.get().has_value());
    blocking.join();
    server().resume();
}

REDOUBT_BOTH_SERVERS(AclLifecycle);

}  // namespace
}  // namespace redoubt
