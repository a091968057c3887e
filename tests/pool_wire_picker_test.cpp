// pool: the wire picker: the least loaded wire, and of one key never one operation before another, whatever wires come,
// break and retire.
#include "pool/wire_picker.hpp"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace redoubt::pool {
namespace {

using Accepts = WirePicker::Accepts;
using Wire = WirePicker::Wire;

std::size_t slot_of(const std::string& key) { return WirePicker::slot_of(key); }

TEST(WirePicker, PicksTheLeastLoaded) {
    const WirePicker picker;
    std::vector<Wire> wires(3);
    wires[0] = {.submitted = 10, .completed = 0};
    wires[1] = {.submitted = 110, .completed = 105};
    wires[2] = {.submitted = 3, .completed = 0, .congested = true};
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 1u);
    wires[1].bytes = 100'000;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 0u);
    wires[0].has_room = false;
    EXPECT_EQ(picker.pick(WirePicker::no_slot, wires), 1u);
    wires[1].accepts = Accepts::pinned;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 2u);
    wires[2].accepts = Accepts::nothing;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), std::nullopt);
}

TEST(WirePicker, AKeyStaysWhereItIsUnderWay) {
    WirePicker picker;
    std::vector<Wire> wires{{.submitted = 5, .completed = 4, .congested = true}, {}};
    picker.placed(slot_of("k"), 0, 5);
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 0u);
    EXPECT_EQ(picker.pick(slot_of("l"), wires), 1u);
    EXPECT_EQ(picker.pick(slot_of(""), wires), 1u);
    wires[0].accepts = Accepts::pinned;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 0u);
    wires[0].accepts = Accepts::nothing;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), std::nullopt) << "it waits";
    wires[0].accepts = Accepts::all;
    wires[0].has_room = false;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), std::nullopt) << "it waits";
    wires[0].completed = 5;
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 1u);
}

TEST(WirePicker, WhatLeftUnwrittenDoesNotHoldAKeyForEver) {
    WirePicker picker;
    std::vector<Wire> wires{{.submitted = 9, .completed = 9, .congested = true}, {}};
    picker.placed(slot_of("k"), 0, 10);  // and then it was cancelled
    EXPECT_EQ(picker.pick(slot_of("k"), wires), 1u);
}

TEST(WirePicker, SomethingUnknownHoldsAllKeys) {
    WirePicker picker;
    std::vector<Wire> wires{{.submitted = 7, .completed = 3, .congested = true}, {}};
    picker.placed_anywhere(0, 5);
    EXPECT_EQ(picker.pick(slot_of("any"), wires), 0u);
    wires[0].completed = 5;
    EXPECT_EQ(picker.pick(slot_of("any"), wires), 1u);
}

/// Wires as a pool has them, and for each key the order in which its operations are to be answered.
struct Play {
    struct Op {
        std::string key;  // "" when cancelled
        int number = 0;
        bool written = false;
    };
    struct Line {
        std::deque<Op> ops{};
        std::uint64_t completed = 0;
        std::uint64_t submitted = 0;
        bool congested = false;
        Accepts accepts = Accepts::all;
    };

    explicit Play(unsigned seed) : random(seed) {}

    std::minstd_rand random;
    std::optional<WirePicker> picker{};
    std::vector<Line> lines = std::vector<Line>(1);
    std::map<std::string, int> given{};
    std::map<std::string, int> answered{};
    std::deque<Op> waiting{};
    std::size_t moved = 0;  // how often a key changed its wire
    std::map<std::string, std::size_t> last_wire{};

    std::size_t any(std::size_t count) { return random() % count; }

    bool place(const Op& op) {
        std::size_t to = 0;
        const std::size_t slot = slot_of(op.key);
        if (picker) {
            std::vector<Wire> wires;
            for (const Line& line : lines) {
                wires.push_back({line.submitted, line.completed, 0, line.congested, line.ops.size() < 8, line.accepts});
            }
            const std::optional<std::size_t> best = picker->pick(slot, wires);
            if (!best) return false;
            to = *best;
        } else if (lines[0].ops.size() >= 8 || lines[0].accepts != Accepts::all) {
            return false;
        }
        lines[to].ops.push_back(op);
        ++lines[to].submitted;
        if (picker) picker->placed(slot, to, lines[to].submitted);
        if (last_wire.contains(op.key) && last_wire[op.key] != to) ++moved;
        last_wire[op.key] = to;
        return true;
    }
    // As the tenant's queue: nobody overtakes.
    void serve() {
        while (!waiting.empty() && !lines.empty() && place(waiting.front())) waiting.pop_front();
    }
    void submit() {
        const std::string key = "key" + std::to_string(any(6));
        const Op op{key, ++given[key]};
        if (!waiting.empty() || lines.empty() || !place(op)) waiting.push_back(op);
    }
    void answer() {
        Line& line = lines[any(lines.size())];
        if (line.ops.empty()) return;
        const Op op = line.ops.front();
        line.ops.pop_front();
        ++line.completed;
        if (op.key.empty()) return;
        ASSERT_GT(op.number, answered[op.key]) << "overtaken";
        answered[op.key] = op.number;
    }
    void write() {
        for (Op& op : lines[any(lines.size())].ops) op.written = true;
    }
    void cancel() {
        Line& line = lines[any(lines.size())];
        if (line.ops.empty()) return;
        const std::size_t at = any(line.ops.size());
        if (line.ops[at].written) {
            line.ops[at].key.clear();  // a tombstone
        } else {
            line.ops.erase(line.ops.begin() + static_cast<std::ptrdiff_t>(at));
            --line.submitted;
        }
    }
    void grow() {
        if (lines.size() == 4) return;
        lines.emplace_back();
        if (lines.size() != 2) return;
        picker.emplace();
        std::uint64_t submitted = lines[0].completed;
        for (const Op& op : lines[0].ops) {
            ++submitted;
            op.key.empty() ? picker->placed_anywhere(0, submitted) : picker->placed(slot_of(op.key), 0, submitted);
        }
    }
    void remove(std::size_t at) {
        if (picker) picker->removed(at);
        lines.erase(lines.begin() + static_cast<std::ptrdiff_t>(at));
        if (lines.size() < 2) picker.reset();
        if (lines.empty()) lines.emplace_back();
    }
    void retire() {
        Line& line = lines[any(lines.size())];
        line.accepts = line.accepts == Accepts::all ? Accepts::pinned : Accepts::nothing;
    }
    void step() {
        const std::size_t what = any(100);
        if (what < 40)
            submit();
        else if (what < 80)
            answer();
        else if (what < 86)
            write();
        else if (what < 90)
            cancel();
        else if (what < 93)
            grow();
        else if (what < 94)
            remove(any(lines.size()));  // lost: what was on it has failed
        else if (what < 95)
            retire();
        else
            lines[any(lines.size())].congested = any(2) == 0;
        for (std::size_t i = lines.size(); i-- != 0;) {
            if (lines[i].accepts != Accepts::all && lines[i].ops.empty()) remove(i);
        }
        serve();
    }
};

TEST(WirePicker, NeverReordersAKeyWhateverHappens) {
    std::size_t moved = 0;
    std::size_t answered = 0;
    for (unsigned seed = 1; seed != 200 && !::testing::Test::HasFatalFailure(); ++seed) {
        SCOPED_TRACE(seed);
        Play play(seed);
        for (int i = 0; i != 3000 && !::testing::Test::HasFatalFailure(); ++i) play.step();
        moved += play.moved;
        for (const auto& [key, number] : play.answered) answered += static_cast<std::size_t>(number);
    }
    EXPECT_GT(moved, 1000u) << "keys do move";
    EXPECT_GT(answered, 100'000u);
}

}  // namespace
}  // namespace redoubt::pool
