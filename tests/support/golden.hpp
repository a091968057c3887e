// tests: golden lines: the exact bytes that a builder sends for a project, and its retry category.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include <redoubt/resp/cmd.hpp>

#include "support/encoded.hpp"

namespace redoubt::testing {

inline const KeyPrefix golden_prefix{"proj:a:"};

/// `HSET <h f 1`: the words of a command; `<` stands for the prefix.
inline std::string bytes_of(std::string_view line) {
    std::vector<std::string> words(1);
    for (const char byte : line) {
        if (byte == ' ') {
            words.emplace_back();
        } else if (byte == '<') {
            words.back().append(golden_prefix.view());
        } else {
            words.back().push_back(byte);
        }
    }
    return resp(words);
}

/// The builders that had a golden line.
inline std::set<std::string>& covered() {
    static std::set<std::string> names;
    return names;
}

// Compares inside the expression, while its temporaries live, as a surface would encode it.
inline void check(std::string_view name, const CommandView& command, RetryCategory retry, std::string_view line) {
    covered().insert(std::string{name});
    EXPECT_EQ(encoded(command, golden_prefix), bytes_of(line)) << name;
    EXPECT_EQ(command.retry(), retry) << line;
    EXPECT_EQ(command.invalid(), "") << line;
}

/// Reads a frame as the command's reply.
template <class Reply>
Reply read_as(const Command<Reply>& command, std::string_view frame) {
    Reply value{};
    ReplyCursor cursor{frame};
    EXPECT_TRUE(command.reader()(cursor, golden_prefix, value)) << frame;
    EXPECT_TRUE(cursor.at_end()) << frame;
    return value;
}

/// What is wrong with a frame, which the reader must refuse and move past nevertheless.
template <class Reply>
ReadOutcome refused_as(const Command<Reply>& command, std::string_view frame) {
    Reply value{};
    ReplyCursor cursor{frame};
    const ReadOutcome outcome = command.reader()(cursor, golden_prefix, value);
    EXPECT_FALSE(outcome) << frame;
    EXPECT_TRUE(cursor.at_end() || outcome.status() == ReadOutcome::Status::foreign_key) << frame;
    return outcome;
}

}  // namespace redoubt::testing

#define SENDS(name, arguments, retry, line) redoubt::testing::check(#name, redoubt::cmd::name arguments, retry, line)
