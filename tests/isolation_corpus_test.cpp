// isolation: the fuzzer's checks of raw commands over the committed corpus, so that every test run has them.
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gtest/gtest.h>

#include "../fuzz/raw_command_checks.hpp"

namespace redoubt {
namespace {

/// Each seed as it is, and with each of its bytes changed in turn, which reaches most refusals.
TEST(IsolationCorpus, RawCommands) {
    std::size_t seeds = 0;
    const std::filesystem::path folder = REDOUBT_SOURCE_DIR "/fuzz/corpus/fuzz_raw_command";
    for (const auto& entry : std::filesystem::directory_iterator{folder}) {
        SCOPED_TRACE(entry.path().filename().string());
        ++seeds;
        std::ifstream file{entry.path(), std::ios::binary};
        std::string bytes{std::istreambuf_iterator<char>{file}, {}};
        ASSERT_EQ(fuzz::check_raw_command(bytes), "");
        for (char& byte : bytes) {
            const char before = byte;
            for (const char changed : {fuzz::between_words, '\0', ' ', '*', '0', '9', '-', 'S', '#'}) {
                byte = changed;
                ASSERT_EQ(fuzz::check_raw_command(bytes), "") << bytes;
            }
            byte = before;
        }
    }
    EXPECT_GT(seeds, 20U);
}

}  // namespace
}  // namespace redoubt
