// embedded: EmbeddedServer with both real servers: it answers, dies, hangs and comes back.
#include <redoubt/embedded/embedded_server.hpp>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <set>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <redoubt/base/exceptions.hpp>

#include "support/certificates.hpp"
#include "support/processes.hpp"
#include "support/raw_client.hpp"
#include "support/servers.hpp"

namespace redoubt {
namespace {

using testing::Certificates;
using testing::children;
using testing::eventually;
using testing::process_exists;
using testing::RawClient;

std::string arguments_of(int pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/cmdline", std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

class EmbeddedServerTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedServerOptions options() const {
        EmbeddedServerOptions made;
        made.program = GetParam();
        made.start_timeout = 30s;  // the machine may be busy
        return made;
    }
};

TEST_P(EmbeddedServerTest, AnswersOnAPrivateUnixSocketAlone) {
    EmbeddedServer server(options());
    RawClient client(server);
    EXPECT_EQ(client.command({"PING"}), "+PONG\r\n");
    EXPECT_EQ(server.version().find(GetParam() + " "), 0u) << server.version();
    EXPECT_EQ(server.url(), "unix://" + server.socket_path());
    EXPECT_EQ(server.tcp_url(), "");
    EXPECT_EQ(server.tls_url(), "");
    EXPECT_EQ(server.port(), 0);
    EXPECT_EQ(client.info("tcp_port"), "0");
    EXPECT_EQ(client.info("process_id"), std::to_string(server.server_pid()));
    EXPECT_EQ(client.strings({"CONFIG", "GET", "maxmemory"}).at(1), std::to_string(64 << 20));
    EXPECT_EQ(client.strings({"CONFIG", "GET", "maxmemory-policy"}).at(1), "allkeys-lru");
    EXPECT_EQ(client.strings({"CONFIG", "GET", "save"}).at(1), "");

    struct stat info;
    ASSERT_EQ(::stat(server.directory().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777u, 0700u);
}

TEST_P(EmbeddedServerTest, ListensOnAFreeLoopbackPortThatARestartKeeps) {
    EmbeddedServerOptions given = options();
    given.tcp = true;
    EmbeddedServer server(given);
    const std::uint16_t port = server.port();
    ASSERT_NE(port, 0);
    EXPECT_EQ(server.tcp_url(), "redis://127.0.0.1:" + std::to_string(port));
    EXPECT_EQ(RawClient::tcp(port).command({"PING"}), "+PONG\r\n");

    server.kill();
    EXPECT_THROW(RawClient::tcp(port), std::system_error);
    EmbeddedServer other(given);  // is not given the port meanwhile
    EXPECT_NE(other.port(), port);
    server.restart();
    EXPECT_EQ(server.port(), port);
    EXPECT_EQ(RawClient::tcp(port).info("process_id"), std::to_string(server.server_pid()));
}

TEST_P(EmbeddedServerTest, ListensWithTls) {
    const Certificates certificates;
    EmbeddedServerOptions given = options();
    given.tls = true;
    given.tls_cert_file = certificates.server_cert();
    given.tls_key_file = certificates.server_key();
    given.tls_ca_file = certificates.ca();
    EmbeddedServer server(given);
    ASSERT_NE(server.tls_port(), 0);
    EXPECT_EQ(server.port(), 0);
    EXPECT_EQ(server.tls_url(), "rediss://127.0.0.1:" + std::to_string(server.tls_port()));
    EXPECT_EQ(RawClient(server).strings({"CONFIG", "GET", "tls-port"}).at(1), std::to_string(server.tls_port()));
    RawClient client = RawClient::tcp(server.tls_port());
    client.send("PING\r\n");  // a TLS server answers with an alert, not with RESP
    EXPECT_ANY_THROW(client.read_frame());
}

TEST_P(EmbeddedServerTest, KeepsThePasswordOutOfItsArguments) {
    EmbeddedServerOptions given = options();
    given.password = "two words \"quoted\" \\ p@ss/\n\xff";
    EmbeddedServer server(given);
    EXPECT_EQ(server.url(), "unix://:two%20words%20%22quoted%22%20%5C%20p%40ss%2F%0A%FF@" + server.socket_path());
    EXPECT_EQ(arguments_of(server.server_pid()).find("quoted"), std::string::npos);
    RawClient client(server);
    EXPECT_EQ(client.command({"GET", "k"}).substr(0, 7), "-NOAUTH");
    EXPECT_EQ(client.command({"AUTH", given.password}), "+OK\r\n");
    EXPECT_EQ(client.command({"GET", "k"}), "$-1\r\n");
}

TEST_P(EmbeddedServerTest, PassesExtraArgumentsOnAsTheyAre) {
    EmbeddedServerOptions given = options();
    given.extra_arguments = {"--databases", "3"};
    EmbeddedServer server(given);
    EXPECT_EQ(RawClient(server).strings({"CONFIG", "GET", "databases"}).at(1), "3");
}

TEST_P(EmbeddedServerTest, IsGoneAfterKillAndEmptyAfterRestart) {
    EmbeddedServer server(options());
    const int first = server.server_pid();
    ASSERT_GT(first, 0);
    RawClient(server).command({"SET", "k", "v"});
    server.kill();
    EXPECT_FALSE(process_exists(first));
    EXPECT_EQ(server.server_pid(), 0);
    EXPECT_THROW(RawClient{server}, std::system_error);
    server.kill();  // again: nothing to do

    server.restart();
    EXPECT_NE(server.server_pid(), first);
    EXPECT_EQ(RawClient(server).command({"GET", "k"}), "$-1\r\n");
    const int second = server.server_pid();
    server.restart();  // kills it first
    EXPECT_FALSE(process_exists(second));
    EXPECT_EQ(RawClient(server).command({"PING"}), "+PONG\r\n");
}

TEST_P(EmbeddedServerTest, KeepsItsDataOverAKillWhenPersistent) {
    EmbeddedServerOptions given = options();
    given.persistent = true;
    EmbeddedServer server(given);
    RawClient(server).command({"SET", "k", "v"});
    server.kill();
    server.restart();
    EXPECT_EQ(RawClient(server).command({"GET", "k"}), "$1\r\nv\r\n");
    server.stop();
    EXPECT_EQ(server.server_pid(), 0);
    server.restart_without_waiting();
    EXPECT_TRUE(eventually([&] {
        try {
            return RawClient(server).command({"GET", "k"}) == "$1\r\nv\r\n";
        } catch (const std::system_error&) {
            return false;  // not there yet
        }
    }));
}

TEST_P(EmbeddedServerTest, HangsWhilePausedAndAnswersAfterwards) {
    EmbeddedServer server(options());
    RawClient client(server);
    server.pause();
    server.pause();  // again: nothing to do
    client.send("PING\r\n");
    RawClient impatient = RawClient::unix_socket(server.socket_path(), 50ms);  // the kernel accepts for it
    EXPECT_THROW(impatient.command({"PING"}), std::system_error);
    server.resume();
    server.resume();
    EXPECT_EQ(client.read_frame(), "+PONG\r\n");

    server.pause();
    server.stop();  // a stopped server is woken to end
    EXPECT_EQ(server.server_pid(), 0);
    EXPECT_THROW(server.pause(), RedisConnectionException);
}

TEST_P(EmbeddedServerTest, NoticesThatTheServerEndedByItself) {
    EmbeddedServer server(options());
    RawClient client(server);
    client.send("SHUTDOWN NOSAVE\r\n");
    EXPECT_TRUE(eventually([&] { return server.server_pid() == 0; }));
    server.restart();
    EXPECT_EQ(RawClient(server).command({"PING"}), "+PONG\r\n");
}

TEST_P(EmbeddedServerTest, CanBeMoved) {
    EmbeddedServer first(options());
    EmbeddedServer second(std::move(first));
    EmbeddedServer third(options());
    const int replaced = third.server_pid();
    third = std::move(second);
    EXPECT_FALSE(process_exists(replaced));
    EXPECT_EQ(RawClient(third).command({"PING"}), "+PONG\r\n");
}

TEST_P(EmbeddedServerTest, AServerThatRefusesItsSettingsIsAnErrorWithTheEndOfItsLog) {
    const std::set<int> children_before = children();
    EmbeddedServerOptions given = options();
    given.max_memory = "much";
    given.password = "not-to-be-seen";
    try {
        EmbeddedServer server(given);
        FAIL() << "started with maxmemory 'much'";
    } catch (const RedisConnectionException& failure) {
        const std::string text = failure.what();
        EXPECT_NE(text.find("maxmemory"), std::string::npos) << text;
        EXPECT_NE(text.find("status 1"), std::string::npos) << text;
        EXPECT_EQ(text.find("not-to-be-seen"), std::string::npos) << text;
    }
    EXPECT_EQ(children(), children_before);
}

INSTANTIATE_TEST_SUITE_P(BothServers, EmbeddedServerTest, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return parameter.param.substr(0, parameter.param.find('-')); });

TEST(EmbeddedServerErrors, AMissingProgramNamesTheInstallLine) {
    for (const std::string program : {"/nowhere/redis-server", "no-such-redis-server"}) {
        EmbeddedServerOptions options;
        options.program = program;
        try {
            EmbeddedServer server(options);
            FAIL() << "started " << program;
        } catch (const RedisConfigurationException& failure) {
            EXPECT_NE(std::string(failure.what()).find(program), std::string::npos) << failure.what();
            EXPECT_NE(std::string(failure.what()).find("apt-get install redis-server"), std::string::npos)
                << failure.what();
        }
    }
}

TEST(EmbeddedServerErrors, AProgramThatIsNoServerIsAnError) {
    EmbeddedServerOptions options;
    options.program = "/bin/true";
    options.start_timeout = 30s;
    EXPECT_THROW(EmbeddedServer{options}, RedisConnectionException);
}

TEST(EmbeddedServerErrors, AServerThatDoesNotAnswerInTimeIsAnErrorAndIsEnded) {
    const Certificates folder;  // for its temporary folder
    const std::string script = folder.directory() + "/redis-server";
    std::ofstream(script) << "#!/bin/sh\necho $$ > " << folder.directory() << "/pid\necho starting\nexec sleep 1000\n";
    std::filesystem::permissions(script, std::filesystem::perms::owner_all);
    EmbeddedServerOptions options;
    options.program = script;
    options.start_timeout = 500ms;
    try {
        EmbeddedServer server(options);
        FAIL() << "took a program that never answers";
    } catch (const RedisConnectionException& failure) {
        const std::string text = failure.what();
        EXPECT_NE(text.find("does not answer after 500 ms"), std::string::npos) << text;
        EXPECT_NE(text.find("its log ends: starting"), std::string::npos) << text;
    }
    int pid = 0;
    std::ifstream(folder.directory() + "/pid") >> pid;
    ASSERT_GT(pid, 0);
    EXPECT_FALSE(process_exists(pid));
}

TEST(EmbeddedServerErrors, BadOptionsAreNamed) {
    EmbeddedServerOptions tls;
    tls.tls = true;
    EXPECT_THROW(EmbeddedServer{tls}, RedisConfigurationException);
    EmbeddedServerOptions daemon;
    daemon.extra_arguments = {"--daemonize", "yes"};
    EXPECT_THROW(EmbeddedServer{daemon}, RedisConfigurationException);
    EmbeddedServerOptions patience;
    patience.start_timeout = Duration::zero();
    EXPECT_THROW(EmbeddedServer{patience}, RedisConfigurationException);
}

}  // namespace
}  // namespace redoubt
