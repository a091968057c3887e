// tests: a multiplexer with its socket played by the test.
#pragma once

#include <algorithm>
#include <cstddef>
#include <limits>
#include <span>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "connection/multiplexer.hpp"
#include "support/scripted_operation.hpp"

namespace redoubt::testing {

constexpr std::size_t all = std::numeric_limits<std::size_t>::max();
const TimePoint start = TimePoint{} + 1h;

inline Error lost() { return Error::of(ErrorKind::connection, Certainty::applied, Stage::reply, "lost"); }

class MultiplexerRig : public Multiplexer {
public:
    explicit MultiplexerRig(const Limits& limits = Limits{}, std::size_t borrow_from = never)
        : Multiplexer(ReplyLimits{}, limits, borrow_from) {}

    void take(ScriptedOperation& op) { EXPECT_TRUE(submit(op, start)) << op.name(); }
    /// The socket takes all there is.
    std::string write_all() {
        std::string sent;
        while (has_output()) {
            const std::string_view bytes = output();
            sent += bytes;
            written(bytes.size());
        }
        return sent;
    }
    void put(std::string_view bytes) {
        while (!bytes.empty()) {
            const std::span<char> space = read_space();
            ASSERT_FALSE(space.empty());
            const std::size_t size = std::min(space.size(), bytes.size());
            std::copy_n(bytes.data(), size, space.data());
            commit_read(size);
            bytes.remove_prefix(size);
        }
    }
    Progress feed(std::string_view bytes) {
        put(bytes);
        return process(all);
    }
};

}  // namespace redoubt::testing
