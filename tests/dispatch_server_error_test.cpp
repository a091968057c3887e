// dispatch: what an error reply becomes: its kind, its certainty, the keys in its text; also inside EXEC.
#include <array>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include <redoubt/dispatch/call_state.hpp>
#include <redoubt/resp/read_reply.hpp>

#include "connection/server_error.hpp"
#include "dispatch/call_settings.hpp"
#include "dispatch/dispatcher.hpp"

namespace redoubt::dispatch {
namespace {

const KeyPrefix prefix{"proj:a:"};

struct ErrorRow {
    std::string_view text;
    ErrorKind kind;
    bool node_failure = false;
};

TEST(ServerErrors, AreToldByTheirFirstWord) {
    constexpr std::array rows{
        ErrorRow{"LOADING Redis is loading the dataset in memory", ErrorKind::server, true},
        ErrorRow{"CLUSTERDOWN Hash slot not served", ErrorKind::server, true},
        ErrorRow{"MASTERDOWN Link with MASTER is down", ErrorKind::server, true},
        ErrorRow{"BUSY Redis is busy running a script", ErrorKind::server},
        ErrorRow{"TRYAGAIN Multiple keys request during rehashing of slot", ErrorKind::server},
        ErrorRow{"READONLY You can't write against a read only replica.", ErrorKind::server},
        ErrorRow{"MOVED 3999 127.0.0.1:6381", ErrorKind::server},
        ErrorRow{"ASK 3999 127.0.0.1:6381", ErrorKind::server},
        ErrorRow{"MISCONF Redis is configured to save RDB snapshots", ErrorKind::server},
        ErrorRow{"NOREPLICAS Not enough good replicas to write.", ErrorKind::server},
        ErrorRow{"OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::memory},
        ErrorRow{"NOAUTH Authentication required.", ErrorKind::authentication},
        ErrorRow{"WRONGPASS invalid username-password pair", ErrorKind::authentication},
        ErrorRow{"NOPERM this user has no permissions", ErrorKind::authentication},
        ErrorRow{"WRONGTYPE Operation against a key", ErrorKind::server},
        ErrorRow{"NOSCRIPT No matching script.", ErrorKind::server},
        ErrorRow{"EXECABORT Transaction discarded", ErrorKind::server},
        ErrorRow{"ERR value is not an integer or out of range", ErrorKind::server},
        ErrorRow{"ERR max number of clients reached", ErrorKind::connection},
        ErrorRow{"LOADINGX is another word", ErrorKind::server},
        ErrorRow{"loading is not the word", ErrorKind::server},
        ErrorRow{"", ErrorKind::server},
    };
    for (const ErrorRow& row : rows) {
        const Error error = connection::from_server_error(row.text, prefix);
        EXPECT_EQ(error.kind, row.kind) << row.text;
        EXPECT_EQ(error.certainty, Certainty::rejected) << row.text;
        EXPECT_EQ(error.stage, Stage::reply) << row.text;
        EXPECT_EQ(error.reason(), row.text);
        EXPECT_EQ(connection::is_node_failure(error.prefix()), row.node_failure) << row.text;
    }
}

TEST(ServerErrors, NameKeysAsTheCallerDoes) {
    const auto told = [](std::string_view text, const KeyPrefix& with) {
        return std::string(connection::from_server_error(text, with).reason());
    };
    EXPECT_EQ(told("ERR no such key 'proj:a:k' nor 'proj:a:l'", prefix), "ERR no such key 'k' nor 'l'");
    EXPECT_EQ(told("ERR no such key 'proj:a:proj:ak'", prefix), "ERR no such key 'proj:ak'");
    // Taken off once: this caller's key begins with it.
    EXPECT_EQ(told("ERR no such key 'proj:a:proj:a:k' nor 'proj:a:l'", prefix), "ERR no such key 'proj:a:k' nor 'l'");
    EXPECT_EQ(told("ERR 'proj:a:k'", KeyPrefix{}), "ERR 'proj:a:k'");
}

// A script can write first and return any error then.
TEST(ServerErrors, InsideExecAreUnknownBecauseAScriptMayHaveForgedThem) {
    for (const char* text : {"LOADING forged", "BUSY forged", "READONLY forged", "TRYAGAIN forged", "OOM forged",
                             "WRONGTYPE forged", "ERR forged", "CLUSTERDOWN forged", "MOVED 1 host:1", "forged"}) {
        const Error error = error_inside_exec(text, prefix);
        EXPECT_EQ(error.certainty, Certainty::unknown) << text;
        EXPECT_EQ(error.stage, Stage::reply) << text;
    }
    EXPECT_EQ(error_inside_exec("EXECABORT Transaction discarded", prefix).certainty, Certainty::rejected);
}

}  // namespace
}  // namespace redoubt::dispatch
