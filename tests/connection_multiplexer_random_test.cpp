// connection: the multiplexer against a reference model: random scripts, each replayed with a loss at every step.
#include <algorithm>
#include <deque>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/multiplexer_rig.hpp"

namespace redoubt {
namespace {

using testing::bulk;
using Op = testing::ScriptedOperation;

/// What happens next; the numbers choose among what there is then.
struct Event {
    enum Kind : std::uint8_t { submit, hand_out, take, answer, read, process, cancel, expire } kind;
    std::uint32_t a = 0;
    std::uint32_t b = 0;
};
constexpr const char* kind_names[] = {"submit", "hand_out", "take", "answer", "read", "process", "cancel", "expire"};

using Script = std::vector<Event>;

std::string describe(const Script& script, std::size_t until) {
    std::string text;
    for (std::size_t i = 0; i != std::min(until, script.size()); ++i) {
        text += std::string(kind_names[script[i].kind]) + '(' + std::to_string(script[i].a) + ',' +
                std::to_string(script[i].b) + ") ";
    }
    return text;
}

Script random_script(std::uint32_t seed) {
    std::mt19937 random(seed);
    constexpr Event::Kind weighted[] = {Event::submit, Event::submit,  Event::submit,  Event::hand_out, Event::take,
                                        Event::take,   Event::answer,  Event::answer,  Event::read,     Event::read,
                                        Event::read,   Event::process, Event::process, Event::cancel,   Event::expire};
    Script script(40 + random() % 80);
    for (Event& event : script) {
        event = {weighted[random() % std::size(weighted)], static_cast<std::uint32_t>(random() % 1000),
                 static_cast<std::uint32_t>(random() % 1000)};
    }
    return script;
}

/// Plays a script. Beside the machine it keeps the simplest picture of the same: a list of commands, and a server
/// that answers each whole command that it got with the command's own name.
class Play {
public:
    explicit Play(std::size_t borrow_from) : borrow_from_(borrow_from), wire_({}, borrow_from) {}

    void run(const Script& script, std::size_t until) {
        for (std::size_t i = 0; i != std::min(until, script.size()); ++i) {
            step(script[i]);
            check();
            if (::testing::Test::HasFailure()) return;
        }
    }

    void lose() {
        if (under_way_) taken_ = handed_;  // any of it may be gone
        std::map<const Op*, Certainty> expected;
        std::uint64_t begin = 0;
        for (const Command& command : commands_) {
            const std::uint64_t end = begin + command.op->wire_bytes().size();
            if (live(command)) {
                const bool several = command.op->replies() > 1 && !command.atomic;
                const bool sent = several ? taken_ > begin : taken_ >= end;
                expected[command.op.get()] = sent ? Certainty::unknown : Certainty::not_sent;
            }
            begin = end;
        }
        wire_.fail_all(testing::lost());
        for (Command& command : commands_) {
            if (!expected.contains(command.op.get())) continue;
            command.ended = true;
            ASSERT_EQ(command.op->failed, 1) << command.op->name();
            EXPECT_EQ(command.op->failure_source, FailureSource::wire);
            EXPECT_EQ(command.op->failure->certainty, expected[command.op.get()]) << command.op->name();
        }
        check();
        EXPECT_EQ(wire_.in_flight(), 0u);
    }

    /// Everything goes well from here on: each that still waits gets its answers.
    void finish() {
        if (under_way_) step({Event::take, 999, 0});
        while (wire_.has_output()) {
            step({Event::hand_out});
            step({Event::take, 999, 0});
        }
        step({Event::answer, 999, 0});
        while (!from_server_.empty()) step({Event::read, 999, 0});
        while (wire_.process(testing::all) == Multiplexer::Progress::more) {}
        after_replies();
        check();
        for (const Command& command : commands_) {
            EXPECT_TRUE(command.ended || command.cancelled) << command.op->name();
        }
        EXPECT_TRUE(wire_.idle());
    }

private:
    struct Command {
        std::unique_ptr<Op> op;
        std::string bytes;
        bool atomic = false;
        bool cancelled = false;  // or expired: nothing more is heard of it
        bool ended = false;
        std::uint32_t expired = 0;
        std::uint32_t answered = 0;  // by the server
    };

    static bool live(const Command& command) { return !command.cancelled && !command.ended; }
    std::string answer_of(const Op& op, std::uint32_t index) const {
        return bulk(op.name() + "." + std::to_string(index));
    }

    void step(const Event& event) {
        switch (event.kind) {
            case Event::submit: submit(event); break;
            case Event::hand_out:
                if (under_way_ || !wire_.has_output()) break;
                hand_out();
                break;
            case Event::take: take(event); break;
            case Event::answer: answer(event.a); break;
            case Event::read: {
                const std::size_t size =
                    std::min<std::size_t>(from_server_.size(), event.a % 40 + (event.a == 999) * 9999);
                wire_.put(from_server_.substr(0, size));
                from_server_.erase(0, size);
                break;
            }
            case Event::process:
                EXPECT_NE(wire_.process(1 + event.a % 5), Multiplexer::Progress::fault) << wire_.fault();
                after_replies();
                break;
            case Event::cancel: cancel(event.a); break;
            case Event::expire: expire(event.a); break;
        }
    }

    void submit(const Event& event) {
        if (under_way_ && borrow_from_ != Multiplexer::never) return;  // as its driver
        const std::uint32_t replies = event.a % 4 == 0 ? 2 + event.a % 3 : 1;
        const bool atomic = replies > 1 && event.a % 8 == 0;
        Command command{std::make_unique<Op>(std::to_string(next_name_++), nullptr, replies, atomic), {}, atomic};
        command.op->bytes("<" + command.op->name() + std::string(event.b % 50, '.') + ">");
        command.bytes = command.op->wire_bytes();
        command.op->time(std::chrono::milliseconds(1 + event.b % 100));
        if (event.b % 3 != 0) {
            command.op->ready();
            const bool lent = borrowed_ != nullptr && taken_ < begin_of(borrowed_) + borrowed_->wire_bytes().size();
            if (command.op->wire_bytes().size() >= borrow_from_ && !lent && handed_ == total_) {
                borrowed_ = command.op.get();
            }
        }
        ASSERT_TRUE(wire_.submit(*command.op, now_));
        total_ += command.op->wire_bytes().size();
        commands_.push_back(std::move(command));
    }
    void hand_out() {
        const std::uint64_t left = handed_ - taken_;
        if (left == 0) {
            const bool next = borrowed_ != nullptr && begin_of(borrowed_) == handed_;
            handed_ = next ? handed_ + borrowed_->wire_bytes().size() : total_;
        }
        EXPECT_EQ(wire_.output().size(), handed_ - taken_);
        under_way_ = true;
    }
    void take(const Event& event) {
        if (!under_way_) return;
        const std::uint64_t size = (handed_ - taken_) * std::min<std::uint64_t>(event.a + 1, 1000) / 1000;
        const std::string_view bytes = wire_.output();
        EXPECT_EQ(bytes, stream().substr(taken_, handed_ - taken_));
        wire_.written(static_cast<std::size_t>(size));
        taken_ += size;
        under_way_ = false;
    }
    // The server has whole commands only.
    void answer(std::uint32_t most) {
        std::uint64_t end = 0;
        for (Command& command : commands_) {
            end += command.op->wire_bytes().size();
            if (end > taken_) return;
            while (command.answered != command.op->replies()) {
                if (most == 0) return;
                if (most % 7 == 3) from_server_ += ">1\r\n+push\r\n";
                from_server_ += answer_of(*command.op, command.answered++);
                most = most == 999 ? most : std::min(most - 1, 6u);
            }
        }
    }
    void after_replies() {
        for (Command& command : commands_) {
            if (live(command) && command.op->completed == 1) command.ended = true;
        }
    }
    void cancel(std::uint32_t choice) {
        std::vector<std::size_t> candidates;
        for (std::size_t i = 0; i != commands_.size(); ++i) {
            if (live(commands_[i])) candidates.push_back(i);
        }
        if (candidates.empty()) return;
        const std::size_t chosen = candidates[choice % candidates.size()];
        const bool unwritten = begin_of(chosen) >= handed_;
        EXPECT_EQ(wire_.is_unwritten(*commands_[chosen].op), unwritten);
        EXPECT_EQ(wire_.cancel(*commands_[chosen].op),
                  unwritten ? Multiplexer::Cancelled::unwritten : Multiplexer::Cancelled::tombstone);
        commands_[chosen].cancelled = true;
        take_back(commands_[chosen]);
        if (unwritten) forget(chosen);
    }
    void expire(std::uint32_t milliseconds) {
        now_ += std::chrono::milliseconds(milliseconds % 60);
        std::size_t expected = 0;
        for (const Command& command : commands_) expected += live(command) && command.op->attempt_deadline() <= now_;
        EXPECT_EQ(wire_.expire(now_), expected);
        for (std::size_t i = commands_.size(); i-- != 0;) {
            Command& command = commands_[i];
            if (!live(command) || command.op->attempt_deadline() > now_) continue;
            const bool unwritten = begin_of(i) >= handed_;
            ASSERT_EQ(command.op->failed, 1);
            EXPECT_EQ(command.op->failure->kind, ErrorKind::timeout);
            EXPECT_EQ(command.op->failure_source, FailureSource::operation);
            EXPECT_EQ(command.op->failure->certainty, unwritten ? Certainty::not_sent : Certainty::unknown);
            command.cancelled = true;
            command.expired = 1;
            take_back(command);
            if (unwritten) forget(i);
        }
    }

    std::uint64_t begin_of(std::size_t index) const {
        std::uint64_t begin = 0;
        for (std::size_t i = 0; i != index; ++i) begin += commands_[i].op->wire_bytes().size();
        return begin;
    }
    std::uint64_t begin_of(const Op* op) const {
        std::size_t index = 0;
        while (commands_[index].op.get() != op) ++index;
        return begin_of(index);
    }
    // It keeps its bytes no longer.
    void take_back(const Command& command) {
        if (command.op.get() == borrowed_) borrowed_ = nullptr;
        command.op->spoil();
    }
    std::string stream() const {
        std::string bytes;
        for (const Command& command : commands_) bytes += command.bytes;
        return bytes;
    }
    void forget(std::size_t index) {
        total_ -= commands_[index].op->wire_bytes().size();
        forgotten_.push_back(std::move(commands_[index]));
        commands_.erase(commands_.begin() + static_cast<std::ptrdiff_t>(index));
    }

    // Each operation has its own answers from the first on, and ends at most once.
    void check() {
        after_replies();
        bool older_waits = false;
        for (const std::deque<Command>* commands : {&commands_, &forgotten_}) {
            for (const Command& command : *commands) {
                const Op& op = *command.op;
                for (std::uint32_t i = 0; i != op.frames.size(); ++i) {
                    ASSERT_EQ(op.frames[i], answer_of(op, i)) << op.name();
                }
                ASSERT_LE(op.frames.size(), op.replies());
                ASSERT_EQ(op.completed == 1, op.frames.size() == op.replies()) << op.name();
                ASSERT_EQ(static_cast<std::uint32_t>(op.ends()), command.ended || command.expired != 0 ? 1u : 0u)
                    << op.name();
                if (commands == &commands_ && live(command)) older_waits = true;
                ASSERT_FALSE(op.completed == 1 && older_waits) << op.name() << " overtook another";
            }
        }
        ASSERT_EQ(wire_.oldest() != nullptr, older_waits);
    }

    std::size_t borrow_from_;
    testing::MultiplexerRig wire_;
    const Op* borrowed_ = nullptr;  // hands its bytes out itself
    TimePoint now_ = testing::start;
    std::deque<Command> commands_;   // all that were not cut from the stream
    std::deque<Command> forgotten_;  // cancelled before they were handed out
    int next_name_ = 0;
    std::uint64_t total_ = 0;  // the stream's length, and how much of it was handed out and taken
    std::uint64_t handed_ = 0;
    std::uint64_t taken_ = 0;
    bool under_way_ = false;
    std::string from_server_;
};

void replay_with_a_loss_at_every_step(const Script& script, std::size_t borrow_from = Multiplexer::never) {
    for (std::size_t until = 0; until <= script.size(); ++until) {
        SCOPED_TRACE(::testing::Message() << "lost after: " << describe(script, until));
        Play play(borrow_from);
        play.run(script, until);
        play.lose();
        ASSERT_FALSE(::testing::Test::HasFailure());
    }
    SCOPED_TRACE(describe(script, script.size()));
    Play whole(borrow_from);
    whole.run(script, script.size());
    whole.finish();
}

TEST(MultiplexerScripts, HoldWithALossAtEveryStep) {
    using E = Event;
    const std::vector<Script> scripts{
        // One after the other; all at once; a write in three parts.
        {{E::submit, 1}, {E::hand_out}, {E::take, 999}, {E::answer, 999}, {E::read, 999}, {E::process}},
        {{E::submit, 1},
         {E::submit, 4},
         {E::submit, 8},
         {E::submit, 3},
         {E::hand_out},
         {E::take, 300},
         {E::hand_out},
         {E::take, 500},
         {E::hand_out},
         {E::take, 999},
         {E::answer, 999},
         {E::read, 999},
         {E::process, 4},
         {E::process, 4},
         {E::process, 4}},
        // Cancelled in every stage: unwritten, handed out, written, partly answered.
        {{E::submit, 1},
         {E::submit, 8},
         {E::submit, 2},
         {E::cancel, 1},
         {E::hand_out},
         {E::submit, 5},
         {E::cancel, 1},
         {E::take, 999},
         {E::cancel, 1},
         {E::answer, 999},
         {E::read, 8},
         {E::process},
         {E::read, 999},
         {E::process}},
        {{E::submit, 4},
         {E::submit, 1},
         {E::hand_out},
         {E::take, 999},
         {E::answer, 1},
         {E::read, 999},
         {E::process},
         {E::cancel, 0},
         {E::answer, 999},
         {E::read, 999},
         {E::process, 4}},
        // Time passes while some are written and some are not.
        {{E::submit, 1, 10},
         {E::submit, 2, 50},
         {E::hand_out},
         {E::submit, 3, 5},
         {E::submit, 4, 90},
         {E::expire, 20},
         {E::take, 999},
         {E::hand_out},
         {E::take, 1},
         {E::expire, 59},
         {E::answer, 999},
         {E::read, 999},
         {E::process, 4},
         {E::expire, 59},
         {E::hand_out},
         {E::take, 999}},
    };
    for (const Script& script : scripts) {
        replay_with_a_loss_at_every_step(script);
        replay_with_a_loss_at_every_step(script, 1);
    }
}

TEST(MultiplexerScripts, HoldForRandomScriptsWithALossAtEveryStep) {
    for (std::uint32_t seed = 1; seed <= 600; ++seed) {
        SCOPED_TRACE(::testing::Message() << "seed " << seed);
        replay_with_a_loss_at_every_step(random_script(seed));
        replay_with_a_loss_at_every_step(random_script(seed), 30);
        ASSERT_FALSE(HasFailure());
    }
}

}  // namespace
}  // namespace redoubt
