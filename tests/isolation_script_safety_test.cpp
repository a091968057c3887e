// isolation: which versions are known to keep a script inside.
#include <string>

#include <gtest/gtest.h>

#include "isolation/script_safety.hpp"

namespace redoubt::isolation {
namespace {

std::string redis(const std::string& version) { return "# Server\r\nredis_version:" + version + "\r\nrun_id:x\r\n"; }
std::string valkey(const std::string& version) {
    return "# Server\r\nredis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:" + version + "\r\n";
}

TEST(ScriptSafety, KnowsThePatchedVersions) {
    for (const char* good : {"7.2.11", "7.2.12", "7.4.6", "8.2.2", "8.2.10", "8.4.0", "8.6.1", "9.0.0"}) {
        EXPECT_TRUE(scripts_stay_inside(redis(good))) << good;
    }
    for (const char* good : {"9.0.3", "9.0.10", "9.1.0", "10.0.0"}) {
        EXPECT_TRUE(scripts_stay_inside(valkey(good))) << good;
    }
}

TEST(ScriptSafety, TakesTheUnknownForUnpatched) {
    for (const char* bad : {"6.2.14", "7.0.15", "7.2.10", "7.4.5", "8.0.5", "8.2.1", "8.3.0", "8.2", "8.2.2-rc1",
                            "8.2.x", "", "255.255", " 8.2.2", "99999999999.0.0", "-8.2.2"}) {
        EXPECT_FALSE(scripts_stay_inside(redis(bad))) << bad;
    }
    for (const char* bad : {"8.0.1", "8.1.4", "9.0.2", "9.0", "unstable"}) {
        EXPECT_FALSE(scripts_stay_inside(valkey(bad))) << bad;
    }
    EXPECT_FALSE(scripts_stay_inside(""));
    EXPECT_FALSE(scripts_stay_inside("server_name:other\r\n"));
    // The value of another field is no version.
    EXPECT_FALSE(scripts_stay_inside("executable:redis_version:9.0.0\r\n"));
}

}  // namespace
}  // namespace redoubt::isolation
