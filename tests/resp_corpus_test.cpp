// resp: the fuzzers' checks over the committed corpus, so that every test run has them.
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "../fuzz/checks.hpp"

namespace {

namespace fs = std::filesystem;

struct Seed {
    std::string name;
    std::string bytes;
};

std::vector<Seed> seeds(const std::string& target) {
    std::vector<Seed> found;
    for (const auto& entry : fs::directory_iterator{fs::path{REDOUBT_SOURCE_DIR} / "fuzz" / "corpus" / target}) {
        std::ifstream file{entry.path(), std::ios::binary};
        found.push_back({entry.path().filename().string(), std::string{std::istreambuf_iterator<char>{file}, {}}});
    }
    return found;
}

using Check = std::string (*)(std::string_view, const redoubt::ReplyLimits&);

// Each seed as it is, and with each of its bytes changed in turn, which reaches most refusals.
void run(const std::string& target, Check check) {
    const std::vector<Seed> found = seeds(target);
    ASSERT_GT(found.size(), 20u);
    for (const Seed& seed : found) {
        SCOPED_TRACE(seed.name);
        for (const redoubt::ReplyLimits& limits : {redoubt::fuzz::small_limits(), redoubt::ReplyLimits{}}) {
            ASSERT_EQ(check(seed.bytes, limits), "");
            std::string changed = seed.bytes;
            for (std::size_t i = 0; i < changed.size(); ++i) {
                for (const char c : {'\r', '\n', '*', '-', '0', '9', '\0'}) {
                    changed[i] = c;
                    ASSERT_EQ(check(changed, limits), "") << "byte " << i << " changed to " << int{c};
                }
                changed[i] = seed.bytes[i];
            }
        }
    }
}

TEST(resp_corpus, scanner) { run("fuzz_scanner", redoubt::fuzz::check_scanner); }
TEST(resp_corpus, read_reply) { run("fuzz_read_reply", redoubt::fuzz::check_read_reply); }

}  // namespace
