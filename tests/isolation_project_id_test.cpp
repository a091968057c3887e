// isolation: which project ids pass, byte by byte, and the prefix of one that does.
#include "isolation/project_id.hpp"

#include <string>

#include <gtest/gtest.h>

namespace redoubt::isolation {
namespace {

std::string reason_of(std::string_view id) {
    const std::optional<Error> error = check_project_id(id);
    return error ? std::string{error->reason()} : std::string{};
}

TEST(ProjectId, WhatIsAllowed) {
    for (const std::string_view id :
         {"a", "Z", "0", "my-project", "my_project.v2", "a--..__", "A1-", "123e4567-e89b-12d3-a456-426614174000"}) {
        EXPECT_FALSE(check_project_id(id)) << id;
    }
    EXPECT_FALSE(check_project_id(std::string(128, 'x')));
}

TEST(ProjectId, EveryByteAtTheStartAndWithin) {
    const std::string first = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
    const std::string later = first + "_.-";
    for (int value = 0; value < 256; ++value) {
        const char byte = static_cast<char>(value);
        EXPECT_EQ(!check_project_id(std::string{byte}), first.find(byte) != std::string::npos) << value;
        EXPECT_EQ(!check_project_id(std::string{'a', byte, 'b'}), later.find(byte) != std::string::npos) << value;
        EXPECT_EQ(!check_project_id(std::string{'a', byte}), later.find(byte) != std::string::npos) << value;
    }
}

TEST(ProjectId, TheMessageSaysWhatIsWrongAndWhatIsAllowed) {
    EXPECT_EQ(reason_of(""), "a project id is required");
    EXPECT_EQ(reason_of(std::string(129, 'x')),
              "the project id is 129 bytes long; 1 to 128 bytes are allowed: letters A-Z a-z, digits, and after the "
              "first byte also _ . -");
    EXPECT_EQ(reason_of("a:b"),
              "the project id has the byte 0x3A at position 1; 1 to 128 bytes are allowed: letters A-Z a-z, digits, "
              "and after the first byte also _ . -");
    EXPECT_NE(reason_of("_a").find("byte 0x5F at position 0"), std::string::npos);
    EXPECT_NE(reason_of(std::string{"ab\0c", 4}).find("byte 0x00 at position 2"), std::string::npos);
    // U+0430, which looks like an a.
    EXPECT_NE(reason_of("b\xD0\xB0").find("byte 0xD0 at position 1"), std::string::npos);
    EXPECT_NE(reason_of("a\n").find("byte 0x0A at position 1"), std::string::npos);
}

TEST(ProjectId, TheErrorIsOfIsolationAndNothingWasSent) {
    for (const std::string& id : {std::string{}, std::string{"*"}, std::string(500, 'x')}) {
        const std::optional<Error> error = check_project_id(id);
        ASSERT_TRUE(error);
        EXPECT_EQ(error->kind, ErrorKind::isolation);
        EXPECT_EQ(error->certainty, Certainty::not_sent);
        EXPECT_EQ(error->stage, Stage::admission);
    }
}

TEST(ProjectId, ThePrefix) {
    EXPECT_EQ(prefix_for("my-project").view(), "proj:my-project:");
    EXPECT_EQ(prefix_for("a.b").view(), "proj:a.b:");
}

}  // namespace
}  // namespace redoubt::isolation
