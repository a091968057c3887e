// tests: the soak's ledger; see the header.
#include "ledger.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace redoubt::soak {
namespace {

constexpr std::size_t pattern_size = 8192;

// What values are filled with; each begins at another place of it.
std::string_view pattern() {
    static const std::string text = [] {
        std::string made;
        for (std::size_t i = 0; i < pattern_size; ++i) made.push_back(static_cast<char>('a' + (i * i + i / 7) % 26));
        return made;
    }();
    return text;
}

// Mostly small, sometimes larger than one read, so that replies arrive in parts by themselves too.
std::size_t filling(std::uint64_t sequence) {
    if (sequence % 61 == 0) return 4000 + sequence % 64;
    return sequence % 97;
}

std::string shortened(std::string_view text) {
    return text.size() <= 60 ? std::string(text) : fmt::format("{}... ({} bytes)", text.substr(0, 60), text.size());
}

}  // namespace

Register::Register(std::uint32_t caller, std::uint32_t slot) : caller_(caller), slot_(slot) { make_key(); }

void Register::make_key() { key_ = fmt::format("c{}:v{}:g{}", caller_ / projects, slot_, generation_); }

std::string Register::make_value(std::uint64_t sequence) const {
    std::string value = fmt::format("c{}:v{}:g{}:s{}:", caller_, slot_, generation_, sequence);
    value += pattern().substr((caller_ + sequence) % 4000, filling(sequence));
    return value;
}

std::string Register::next_value() { return make_value(++sequence_); }

void Register::written(Fate fate) {
    if (fate == Fate::applied) certain_ = sequence_;
    if (fate == Fate::unknown) floating_.push_back(sequence_);
}

Doubt Register::read(const std::optional<std::string>& value) {
    if (!value) {
        if (certain_ == 0) return {};
        return fmt::format("{}: nil, but SET {} of this caller was applied", key_, certain_);
    }
    if (certain_ != 0 && *value == make_value(certain_)) return {};
    const auto landed = std::find_if(floating_.begin(), floating_.end(),
                                     [&](std::uint64_t sequence) { return *value == make_value(sequence); });
    if (landed == floating_.end()) {
        return fmt::format("{}: \"{}\", but of this caller ({}) SET {} was applied last, and {} are of unknown fate",
                           key_, shortened(*value), caller_, certain_, floating_.size());
    }
    // It has landed, and each lands once: what was there before can never come back.
    certain_ = *landed;
    floating_.erase(landed);
    return {};
}

void Register::next_generation_if_due() {
    if (floating_.size() < most_floating) return;
    ++generation_;
    certain_ = 0;
    floating_.clear();
    make_key();
}

Counter::Counter(std::uint32_t caller) : caller_(caller) { make_key(); }

void Counter::make_key() { key_ = fmt::format("c{}:n:g{}", caller_ / projects, generation_); }

Doubt Counter::saw(std::int64_t value) {
    if (value < least_ || value > least_ + floating_) {
        return fmt::format("{}: {}, but of this caller ({}) at least {} and at most {} were applied", key_, value,
                           caller_, least_, least_ + floating_);
    }
    floating_ -= value - least_;  // these have landed
    least_ = value;
    return {};
}

Doubt Counter::incremented(Fate fate, std::optional<std::int64_t> reply) {
    if (fate == Fate::applied) ++least_;
    if (fate == Fate::unknown) ++floating_;
    return reply ? saw(*reply) : Doubt{};
}

Doubt Counter::read(const std::optional<std::string>& value) {
    std::int64_t number = 0;
    if (value) {
        const char* const end = value->data() + value->size();
        if (std::from_chars(value->data(), end, number).ptr != end || value->empty()) {
            return fmt::format("{}: \"{}\" is no number", key_, shortened(*value));
        }
    }
    return saw(number);
}

void Counter::next_generation_if_due() {
    if (floating_ < static_cast<std::int64_t>(most_floating)) return;
    ++generation_;
    least_ = 0;
    floating_ = 0;
    make_key();
}

Book::Book(std::uint32_t caller)
    : slots_{Register(caller, 0), Register(caller, 1), Register(caller, 2), Register(caller, 3)}, counter_(caller) {}

void Book::settle() {
    for (Register& slot : slots_) slot.next_generation_if_due();
    counter_.next_generation_if_due();
}

}  // namespace redoubt::soak
