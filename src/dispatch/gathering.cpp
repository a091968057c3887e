// dispatch: commands that go to several nodes; see the header.
#include "dispatch/gathering.hpp"

#include <algorithm>
#include <array>
#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "base/text_values.hpp"
#include "connection/server_error.hpp"
#include "dispatch/split_command.hpp"

namespace redoubt::dispatch {
namespace {

// How many ranges of keys an error names.
constexpr std::size_t most_ranges = 20;

/// `1-3, 7`, counted from 1.
std::string in_ranges(std::vector<std::uint32_t> numbers) {
    std::sort(numbers.begin(), numbers.end());
    std::string text;
    std::size_t ranges = 0;
    for (std::size_t i = 0; i < numbers.size();) {
        std::size_t end = i + 1;
        while (end < numbers.size() && numbers[end] == numbers[end - 1] + 1) ++end;
        if (++ranges > most_ranges) return text + ", ...";
        if (!text.empty()) text += ", ";
        text += end == i + 1 ? fmt::format("{}", numbers[i] + 1)
                             : fmt::format("{}-{}", numbers[i] + 1, numbers[end - 1] + 1);
        i = end;
    }
    return text;
}

}  // namespace

std::vector<Gathering::Part> Gathering::next(const NodeOf& node_of) {
    Part pending;
    const bool spread = round_ == 0 || (round_ == 1 && all_moved_);
    if (round_++ == 0) {
        pending.resize(commands_.count());
        std::iota(pending.begin(), pending.end(), 0u);
    } else {
        for (const Again& one : again_) {
            if (stopped_) {
                sink_.fail(one.command, one.error);
            } else {
                pending.push_back(one.command);
            }
        }
        std::sort(pending.begin(), pending.end());
    }
    again_.clear();
    all_moved_ = true;
    std::vector<Part> parts;
    std::vector<const void*> nodes;
    for (const std::uint32_t command : pending) {
        if (!spread) {
            parts.push_back({command});
            continue;
        }
        const std::uint16_t slot = commands_.places()[command].slot;
        // What has no key goes with the others.
        const void* const node = slot == no_slot && !nodes.empty() ? nodes.front() : node_of(slot);
        const auto known = std::find(nodes.begin(), nodes.end(), node);
        if (known != nodes.end()) {
            parts[static_cast<std::size_t>(known - nodes.begin())].push_back(command);
        } else {
            nodes.push_back(node);
            parts.push_back({command});
        }
    }
    return parts;
}

std::uint16_t Gathering::slot_of(const Part& part) const {
    for (const std::uint32_t command : part) {
        const std::uint16_t slot = commands_.places()[command].slot;
        if (slot != no_slot) return slot;
    }
    return no_slot;
}

void Gathering::fail(std::uint32_t command, const Error& error) {
    const bool may_pass = error.certainty == Certainty::rejected && error.stage == Stage::reply &&
                          connection::is_about_place(error.prefix());
    if (!may_pass || stopped_) return sink_.fail(command, error);
    all_moved_ = all_moved_ && error.prefix() == "MOVED";
    again_.push_back({command, error});
}

void Gathering::fail_rest(const Part& part, std::uint32_t answered, const Error& error) {
    if (answered == part.size() && !unconfirmed_) unconfirmed_ = error;
    for (std::size_t i = answered; i < part.size(); ++i) sink_.fail(part[i], error);
}

ReadOutcome JointSink::read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& /*prefix*/) {
    using Kind = EncodedCommands::Joint::Kind;
    if (joint_.kind == Kind::scan) return read_page(cursor);
    const std::vector<std::uint32_t>& keys = joint_.keys[index];
    const ReplyNode head = cursor.peek();
    if (joint_.kind == Kind::sum) {
        if (head.type != RespType::integer) return ReadOutcome::mismatch("integer", head);
        sum_ += head.integer;
    }
    if (joint_.kind != Kind::values) {
        cursor.skip();
        return ReadOutcome::ok();
    }
    (void)cursor.next();
    if (head.type != RespType::array || head.integer != static_cast<std::int64_t>(keys.size())) {
        return ReadOutcome::mismatch("an array with a value for each key", head);
    }
    for (const std::uint32_t key : keys) values_[key] = cursor.take_raw();
    return ReadOutcome::ok();
}

void JointSink::fail(std::uint32_t index, const Error& error) { failed_.push_back({index, error}); }

std::optional<Error> JointSink::finish(ReplySink& sink, const KeyPrefix& prefix, std::string_view name) {
    using Kind = EncodedCommands::Joint::Kind;
    if (!failed_.empty()) return joint_.kind == Kind::scan ? failed_.front().error : partial_failure(name);
    std::string frame;
    switch (joint_.kind) {
        case Kind::values:
            frame = fmt::format("*{}\r\n", values_.size());
            for (const std::string& value : values_) frame += value;
            break;
        case Kind::sum: frame = fmt::format(":{}\r\n", sum_); break;
        case Kind::ok: frame = "+OK\r\n"; break;
        case Kind::scan: frame = page(); break;
    }
    ReplyCursor cursor(frame);
    const ReadOutcome outcome = sink.read(0, cursor, prefix);
    if (!outcome) return error_of_shape(outcome);
    return std::nullopt;
}

ReadOutcome JointSink::read_page(ReplyCursor& cursor) {
    const ReplyNode head = cursor.next();
    if (head.type != RespType::array || head.integer != 2) return ReadOutcome::mismatch("a cursor and a page", head);
    const ReplyNode at = cursor.next();
    const auto number = base::parse_unsigned<std::uint64_t>(at.text);
    if (!number || *number > most_scan_cursor) return ReadOutcome::mismatch("a cursor below 2^50", at);
    cursor_ = *number;
    values_.front() = cursor.take_raw();
    return ReadOutcome::ok();
}

// Behind the last page of a node comes the first one of the next.
std::string JointSink::page() const {
    std::uint64_t next = 0;
    if (cursor_ != 0) {
        next = scan_cursor(slot_, cursor_);
    } else if (const std::optional<std::uint16_t> shard = shard_from_(slot_ + 1u)) {
        next = scan_cursor(*shard, 0);
    }
    const std::string text = std::to_string(next);
    return fmt::format("*2\r\n${}\r\n{}\r\n{}", text.size(), text, values_.front());
}

Error JointSink::partial_failure(std::string_view name) const {
    std::vector<bool> has_failed(joint_.keys.size());
    std::array<std::vector<std::uint32_t>, 4> keys;  // by certainty
    const auto add = [&](std::size_t command, Certainty certainty) {
        auto& all = keys[static_cast<std::size_t>(certainty)];
        all.insert(all.end(), joint_.keys[command].begin(), joint_.keys[command].end());
    };
    for (const Failed& one : failed_) {
        has_failed[one.command] = true;
        add(one.command, one.error.certainty);
    }
    for (std::size_t i = 0; i != has_failed.size(); ++i) {
        if (!has_failed[i]) add(i, Certainty::applied);
    }
    std::string text =
        fmt::format("in a Cluster {} is sent slot by slot, and is not atomic; of its {} keys", name, joint_.count);
    std::string_view separator = " ";
    std::size_t fates = 0;
    Certainty only = Certainty::unknown;
    for (const Certainty certainty :
         {Certainty::applied, Certainty::unknown, Certainty::rejected, Certainty::not_sent}) {
        const auto& of = keys[static_cast<std::size_t>(certainty)];
        if (of.empty()) continue;
        text +=
            fmt::format("{}{} {}: {}", separator, of.size() == 1 ? "key" : "keys", in_ranges(of), to_string(certainty));
        separator = "; ";
        only = certainty;
        ++fates;
    }
    const Error& first = failed_.front().error;
    // For the whole nothing is certain where its parts differ, unless nothing was applied.
    const bool none = keys[static_cast<std::size_t>(Certainty::applied)].empty() &&
                      keys[static_cast<std::size_t>(Certainty::unknown)].empty();
    const Certainty certainty = fates == 1 ? only : none ? Certainty::rejected : Certainty::unknown;
    Error error = Error::with_detail(first.kind, certainty, first.stage, std::move(text));
    error.retry_after = first.retry_after;
    error.cause = std::make_shared<const Error>(first);
    return error;
}

}  // namespace redoubt::dispatch
