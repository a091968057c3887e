// service: the methods that the mixins give to each surface.
#include <redoubt/service/commands.hpp>

#include <chrono>
#include <string>
#include <type_traits>

#include <gtest/gtest.h>

#include "support/encoded.hpp"

namespace redoubt {
namespace {

using namespace std::chrono_literals;

const KeyPrefix prefix{"proj:a:"};

/// Says what it was given: the name of the surface, and the bytes.
struct Surface : Commands<Surface>, TryCommands<Surface> {
    template <class Reply>
    std::string invoke(const Command<Reply>& command) const {
        return "call " + testing::encoded(command, prefix);
    }
    template <class Reply>
    std::string try_invoke(const Command<Reply>& command) const {
        return "try " + testing::encoded(command, prefix);
    }
};

/// Each call makes another type, as a typed pipeline does.
template <int Length>
struct Chain : ChainCommands<Chain<Length>> {
    std::string bytes;

    template <class Reply>
    Chain<Length + 1> invoke(const Command<Reply>& command) && {
        Chain<Length + 1> next;
        next.bytes = std::move(bytes) + testing::encoded(command, prefix);
        return next;
    }
};

TEST(Commands, MethodsForwardToInvoke) {
    const Surface redis;
    EXPECT_EQ(redis.get("k"), "call *2\r\n$3\r\nGET\r\n$8\r\nproj:a:k\r\n");
    EXPECT_EQ(redis.try_get("k"), "try *2\r\n$3\r\nGET\r\n$8\r\nproj:a:k\r\n");
    EXPECT_EQ(redis.set("k", "v", {.ex = 1h}),
              "call *5\r\n$3\r\nSET\r\n$8\r\nproj:a:k\r\n$1\r\nv\r\n$2\r\nEX\r\n$4\r\n3600\r\n");
    EXPECT_EQ(redis.try_ping(), "try *1\r\n$4\r\nPING\r\n");
}

TEST(Commands, ListsInBracesAreLists) {
    const Surface redis;
    const std::string two = "call *3\r\n$3\r\nDEL\r\n$8\r\nproj:a:a\r\n$8\r\nproj:a:b\r\n";
    EXPECT_EQ(redis.del({"a", "b"}), two);
    const std::vector<std::string_view> keys{"a", "b"};
    EXPECT_EQ(redis.del(keys), two);
    EXPECT_EQ(redis.del("a"), "call *2\r\n$3\r\nDEL\r\n$8\r\nproj:a:a\r\n");
}

TEST(Commands, ChainsConsumeThemselves) {
    auto chain = Chain<0>{}.get("a").incr("b").mset({{"c", "1"}, {"d", "2"}});
    static_assert(std::is_same_v<decltype(chain), Chain<3>>);
    EXPECT_EQ(chain.bytes,
              "*2\r\n$3\r\nGET\r\n$8\r\nproj:a:a\r\n"
              "*2\r\n$4\r\nINCR\r\n$8\r\nproj:a:b\r\n"
              "*5\r\n$4\r\nMSET\r\n$8\r\nproj:a:c\r\n$1\r\n1\r\n$8\r\nproj:a:d\r\n$1\r\n2\r\n");
}

}  // namespace
}  // namespace redoubt
