// tests: the ledger of a migration; see the header.
#include "ledger.hpp"

#include <algorithm>
#include <cstdio>
#include <utility>

#include <fmt/format.h>

#include "base/text_values.hpp"
#include "topology/slot.hpp"

namespace redoubt::migration {
namespace {

constexpr std::uint64_t most_printed = 20;
constexpr std::size_t texts_of_a_group = 3;

}  // namespace

void Deviations::add(const std::string& text) {
    if (count_++ < most_printed) fmt::print(stderr, "DEVIATION {}\n", text);
}

std::uint64_t Entry::begin(bool deletes) {
    const std::lock_guard lock(mutex_);
    if (kind_ == Kind::counter) return ++begun_;
    versions_.push_back({deletes, true, false});
    return versions_.size();
}

void Entry::end(std::uint64_t version, Fate fate) {
    const std::lock_guard lock(mutex_);
    if (kind_ == Kind::counter) {
        if (fate == Fate::applied) ++applied_;
        if (fate == Fate::not_applied) --begun_;
        return;
    }
    Version& written = versions_[version - 1];
    written.open = fate == Fate::unknown;
    written.void_ = fate == Fate::not_applied;
    if (fate == Fate::applied) applied_ = version;
}

std::string Entry::value(std::uint64_t version, std::size_t padding) const {
    return fmt::format("{}/{}|{}|{:x>{}}", owner_, key_, version, "", padding);
}

std::optional<bool> Entry::is_there() const {
    const std::lock_guard lock(mutex_);
    if (kind_ == Kind::counter) {
        if (applied_ != 0) return true;
        return begun_ == 0 ? std::optional(false) : std::nullopt;
    }
    for (std::size_t i = applied_; i < versions_.size(); ++i) {
        if (!versions_[i].void_) return std::nullopt;
    }
    return applied_ != 0 && !versions_[applied_ - 1].deletes;
}

std::uint64_t Entry::floor() const {
    const std::lock_guard lock(mutex_);
    return applied_;
}

std::string Entry::strange(std::string_view what, const MaybeText& seen) const {
    return fmt::format("{}/{}: {} was read as {}", owner_, key_, what,
                       seen ? '"' + seen->substr(0, 80) + '"' : std::string("nil"));
}

std::string Entry::check(std::uint64_t floor, const MaybeText& seen) const {
    const std::lock_guard lock(mutex_);
    if (kind_ == Kind::counter) {
        const auto number = seen ? base::parse_unsigned<std::uint64_t>(*seen) : std::optional<std::uint64_t>(0);
        if (number && *number >= floor && *number <= begun_) return {};
        return strange(fmt::format("a counter of {} to {}", floor, begun_), seen);
    }
    // What readers may see: the last one before they began, and each that was begun since.
    const auto may_be = [&](std::uint64_t version) {
        if (version < floor || version > versions_.size()) return false;
        return version == 0 || !versions_[version - 1].void_;
    };
    if (!seen) {
        for (std::uint64_t version = floor; version <= versions_.size(); ++version) {
            if (may_be(version) && (version == 0 || versions_[version - 1].deletes)) return {};
        }
        return strange(fmt::format("version {} to {}", floor, versions_.size()), seen);
    }
    const std::string head = fmt::format("{}/{}|", owner_, key_);
    if (!seen->starts_with(head)) return strange("a value of its own", seen);
    const auto end = seen->find('|', head.size());
    const auto version =
        base::parse_unsigned<std::uint64_t>(std::string_view(*seen).substr(head.size(), end - head.size()));
    const bool whole = end != std::string::npos && seen->find_first_not_of('x', end + 1) == std::string::npos;
    if (version && *version != 0 && whole && may_be(*version) && !versions_[*version - 1].deletes) return {};
    return strange(fmt::format("version {} to {}", floor, versions_.size()), seen);
}

std::string Entry::check_counted(std::uint64_t floor, std::int64_t answer) const {
    const std::lock_guard lock(mutex_);
    if (answer > static_cast<std::int64_t>(floor) && answer <= static_cast<std::int64_t>(begun_)) return {};
    return fmt::format("{}/{}: INCR answered {} in place of {} to {}", owner_, key_, answer, floor + 1, begun_);
}

Book make_book(std::uint32_t caller, std::string project, const BookPlan& plan) {
    Book book;
    book.caller = caller;
    book.project = std::move(project);
    const topology::KeySlots slots("proj:" + book.project + ":");
    bool moving = false;
    const auto name = [&](const std::string& stem, std::string_view end) {
        moving = !moving;
        for (int salt = 0;; ++salt) {
            std::string made = fmt::format("{}.{}{}", stem, salt, end);
            if (!moving || plan.moves(slots(made))) return made;
        }
    };
    const auto add = [&](Entry::Kind kind, std::string key) {
        const std::uint16_t slot = slots(key);
        book.all.push_back(std::make_unique<Entry>(kind, book.project, std::move(key), slot));
        return book.all.back().get();
    };
    for (std::size_t i = 0; i != plan.counters; ++i) {
        book.counters.push_back(add(Entry::Kind::counter, name(fmt::format("c{}:count{}", caller, i), "")));
    }
    for (std::size_t i = 0; i != plan.texts; ++i) {
        book.texts.push_back(add(Entry::Kind::text, name(fmt::format("c{}:text{}", caller, i), "")));
    }
    for (std::size_t i = 0; i != plan.groups; ++i) {
        const std::string tag = name(fmt::format("{{c{}:group{}", caller, i), "}");
        Group group;
        group.counter = add(Entry::Kind::counter, tag + "count");
        for (std::size_t text = 0; text != texts_of_a_group; ++text) {
            group.texts.push_back(add(Entry::Kind::text, fmt::format("{}text{}", tag, text)));
        }
        book.groups.push_back(std::move(group));
    }
    return book;
}

}  // namespace redoubt::migration
