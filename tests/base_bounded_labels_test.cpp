// base: label values are bounded in number, keep their meaning, and may be asked for by many threads at once.
#include "base/bounded_labels.hpp"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::base {
namespace {

TEST(BoundedLabels, TheFirstKeepTheirNamesAndTheRestAreOther) {
    BoundedLabels labels(2);
    EXPECT_EQ(labels.label_of("a"), "a");
    EXPECT_EQ(labels.label_of("b"), "b");
    EXPECT_EQ(labels.label_of("c"), "other");
    EXPECT_EQ(labels.label_of("a"), "a");
    EXPECT_EQ(labels.label_of("c"), "other");
}

TEST(BoundedLabels, ANameThatIsOtherTakesNoPlace) {
    BoundedLabels labels(1);
    EXPECT_EQ(labels.label_of("other"), "other");
    EXPECT_EQ(labels.label_of("a"), "a");
}

TEST(BoundedLabels, NoPlaceMeansThatAllAreOther) {
    BoundedLabels labels(0);
    EXPECT_EQ(labels.label_of("a"), "other");
}

TEST(BoundedLabels, TheViewIsOfItsOwn) {
    BoundedLabels labels;
    std::string name = "short-lived-name-that-is-longer-than-a-small-string";
    const std::string_view label = labels.label_of(name);
    name.assign(name.size(), 'x');
    EXPECT_EQ(label, "short-lived-name-that-is-longer-than-a-small-string");
}

TEST(BoundedLabels, ManyThreadsShareTheBound) {
    constexpr std::size_t capacity = 50;
    BoundedLabels labels(capacity);
    std::vector<std::set<std::string>> seen(4);
    std::vector<std::thread> threads;
    for (std::size_t t = 0; t != seen.size(); ++t) {
        threads.emplace_back([&, t] {
            for (std::size_t i = 0; i != 400; ++i) {
                seen[t].emplace(labels.label_of("p" + std::to_string((i * 7 + t * 13) % 200)));
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    std::set<std::string> all;
    for (const auto& names : seen) all.insert(names.begin(), names.end());
    EXPECT_EQ(all.size(), capacity + 1);
    EXPECT_TRUE(all.contains("other"));
}

}  // namespace
}  // namespace redoubt::base
