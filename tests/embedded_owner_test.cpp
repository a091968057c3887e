// embedded: an EmbeddedServer never stays behind, however its owner ends, and takes nothing of its owner's.
#include <redoubt/embedded/embedded_server.hpp>

#include <csignal>
#include <cstddef>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include <gtest/gtest.h>

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/processes.hpp"
#include "support/raw_client.hpp"
#include "support/servers.hpp"

namespace redoubt {
namespace {

using testing::children;
using testing::eventually;
using testing::open_descriptors;
using testing::process_exists;
using testing::RawClient;

class EmbeddedOwnerTest : public ::testing::TestWithParam<std::string> {
protected:
    EmbeddedServerOptions options() const {
        EmbeddedServerOptions made;
        made.program = GetParam();
        made.start_timeout = 30s;  // the machine may be busy
        return made;
    }
};

/// What an owner in another process tells of its server.
struct Told {
    int server = 0;
    char directory[256] = {};
};

/// Forks an owner that starts a server, tells of it and waits for its end.
pid_t fork_owner(const EmbeddedServerOptions& options, Told& told) {
    int pipe_ends[2];
    if (::pipe(pipe_ends) != 0) return -1;
    const pid_t owner = ::fork();
    if (owner == 0) {
        try {
            const EmbeddedServer server(options);
            Told mine;
            mine.server = server.server_pid();
            server.directory().copy(mine.directory, sizeof mine.directory - 1);
            if (::write(pipe_ends[1], &mine, sizeof mine) == static_cast<ssize_t>(sizeof mine)) {
                for (;;) ::pause();
            }
        } catch (...) {}
        ::_exit(1);
    }
    ::close(pipe_ends[1]);
    const bool heard = ::read(pipe_ends[0], &told, sizeof told) == static_cast<ssize_t>(sizeof told);
    ::close(pipe_ends[0]);
    return heard ? owner : -1;
}

TEST_P(EmbeddedOwnerTest, EndsWithAnOwnerThatGotSigkill) {
    for (const bool paused : {false, true}) {
        Told told;
        const pid_t owner = fork_owner(options(), told);
        ASSERT_GT(owner, 0);
        ASSERT_TRUE(process_exists(told.server));
        ASSERT_TRUE(std::filesystem::exists(told.directory));
        if (paused) {
            ASSERT_EQ(::kill(told.server, SIGSTOP), 0);
        }

        ::kill(owner, SIGKILL);
        ::waitpid(owner, nullptr, 0);
        EXPECT_TRUE(eventually([&] { return !process_exists(told.server); }));
        EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(told.directory); }));
    }
}

TEST_P(EmbeddedOwnerTest, EndsWithItsOwnerThoughAForkedChildLivesOn) {
    // The child of an owner holds a copy of the control socket, so its end alone would not tell.
    Told told;
    int hold[2];
    ASSERT_EQ(::pipe(hold), 0);
    int tell[2];
    ASSERT_EQ(::pipe(tell), 0);
    const pid_t owner = ::fork();
    if (owner == 0) {
        ::close(hold[1]);
        const EmbeddedServer server(options());
        Told mine;
        mine.server = server.server_pid();
        server.directory().copy(mine.directory, sizeof mine.directory - 1);
        if (::fork() == 0) {
            char byte = 0;
            ::_exit(static_cast<int>(::read(hold[0], &byte, 1)));  // until the test ends
        }
        ::_exit(::write(tell[1], &mine, sizeof mine) == static_cast<ssize_t>(sizeof mine) ? 0 : 1);
    }
    ASSERT_EQ(::read(tell[0], &told, sizeof told), static_cast<ssize_t>(sizeof told));
    int status = -1;
    ::waitpid(owner, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(eventually([&] { return !process_exists(told.server); }));
    EXPECT_TRUE(eventually([&] { return !std::filesystem::exists(told.directory); }));
    for (const int fd : {hold[0], hold[1], tell[0], tell[1]}) ::close(fd);
}

TEST_P(EmbeddedOwnerTest, SurvivesTheEndOfTheThreadThatStartedIt) {
    std::unique_ptr<EmbeddedServer> server;
    std::thread([&] { server = std::make_unique<EmbeddedServer>(options()); }).join();
    const int pid = server->server_pid();
    RawClient client(*server);
    EXPECT_EQ(client.command({"PING"}), "+PONG\r\n");
    EXPECT_EQ(client.info("process_id"), std::to_string(pid));
}

TEST_P(EmbeddedOwnerTest, IsInASessionOfItsOwnWithNoneOfTheOwnersDescriptors) {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);  // not close-on-exec
    EmbeddedServer server(options());
    EXPECT_NE(::getsid(server.server_pid()), ::getsid(0));
    ::close(ends[1]);
    pollfd polled{ends[0], POLLIN, 0};
    EXPECT_EQ(::poll(&polled, 1, 0), 1);  // its end is seen at once: neither supervisor nor server holds it
    EXPECT_NE(polled.revents & POLLHUP, 0);
    ::close(ends[0]);
}

TEST_P(EmbeddedOwnerTest, ACopyInAForkedChildDoesNotEndIt) {
    EmbeddedServer server(options());
    const pid_t child = ::fork();
    if (child == 0) {
        { EmbeddedServer inherited(std::move(server)); }
        ::_exit(0);
    }
    int status = -1;
    ::waitpid(child, &status, 0);
    EXPECT_EQ(status, 0);
    EXPECT_TRUE(std::filesystem::exists(server.directory()));
    EXPECT_EQ(RawClient(server).command({"PING"}), "+PONG\r\n");
}

TEST_P(EmbeddedOwnerTest, LeavesNothingBehindOverTwentyCycles) {
    const std::set<int> children_before = children();
    const std::size_t descriptors_before = open_descriptors();
    for (int cycle = 0; cycle < 20; ++cycle) {
        int pid = 0;
        std::string directory;
        {
            EmbeddedServerOptions given = options();
            given.tcp = true;
            EmbeddedServer server(given);
            pid = server.server_pid();
            directory = server.directory();
            if (cycle % 2 == 0) server.kill();
        }
        ASSERT_FALSE(process_exists(pid));
        ASSERT_FALSE(std::filesystem::exists(directory));
    }
    EXPECT_EQ(children(), children_before);
    EXPECT_EQ(open_descriptors(), descriptors_before);
}

INSTANTIATE_TEST_SUITE_P(BothServers, EmbeddedOwnerTest, ::testing::ValuesIn(testing::server_programs()),
                         [](const auto& parameter) { return parameter.param.substr(0, parameter.param.find('-')); });

}  // namespace
}  // namespace redoubt
