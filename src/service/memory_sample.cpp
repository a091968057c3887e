// service: memory of a project: the sample; see the header.
#include "service/memory_sample.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <fmt/format.h>

namespace redoubt::service {
namespace {

constexpr std::string_view other_patterns = "(other)";
/// Of the normal distribution: 95% lie within so many standard errors.
constexpr double errors_of_95_percent = 1.96;

bool is_larger(const MemoryReport::Key& left, const MemoryReport::Key& right) {
    return left.bytes != right.bytes ? left.bytes > right.bytes : left.name < right.name;
}

/// How many bytes of a sound UTF-8 sequence begin here; 0: none.
std::size_t sequence_at(std::string_view bytes) noexcept {
    const auto first = static_cast<unsigned char>(bytes[0]);
    if (first < 0x80) return 1;
    const std::size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || bytes.size() < size) return 0;
    for (std::size_t i = 1; i != size; ++i) {
        if ((static_cast<unsigned char>(bytes[i]) & 0xc0) != 0x80) return 0;
    }
    const auto second = static_cast<unsigned char>(bytes[1]);
    const bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    const bool surrogate = first == 0xed && second > 0x9f;
    const bool too_high = first == 0xf4 && second > 0x8f;
    return overlong || surrogate || too_high ? 0 : size;
}

}  // namespace

void KeyReservoir::add(std::string&& key) {
    ++seen_;
    if (keys_.size() < capacity_) {
        keys_.push_back(std::move(key));
        return;
    }
    const std::uint64_t place = std::uniform_int_distribution<std::uint64_t>(0, seen_ - 1)(random_);
    if (place < capacity_) keys_[place] = std::move(key);
}

std::vector<std::string> KeyReservoir::take() {
    std::sort(keys_.begin(), keys_.end());
    keys_.erase(std::unique(keys_.begin(), keys_.end()), keys_.end());
    std::shuffle(keys_.begin(), keys_.end(), random_);
    return std::move(keys_);
}

double share_walked(std::uint64_t cursor) noexcept {
    if (cursor == 0) return 1;
    double share = 0;
    double worth = 0.5;
    for (; cursor != 0; cursor >>= 1U, worth /= 2) {
        if ((cursor & 1U) != 0) share += worth;
    }
    return share;
}

void MemoryTally::add_to(Groups& groups, std::string_view name, std::int64_t bytes) {
    auto at = groups.find(name);
    if (at == groups.end()) at = groups.emplace(std::string(name), MemoryReport::Group{std::string(name)}).first;
    ++at->second.keys;
    at->second.bytes += bytes;
}

void MemoryTally::add(MemoryReport::Key key) {
    ++report_.measured;
    report_.bytes += key.bytes;
    if (!key.expires) {
        ++report_.without_ttl;
        report_.without_ttl_bytes += key.bytes;
    }
    const auto size = static_cast<double>(key.bytes);
    const double distance = size - mean_;
    mean_ += distance / static_cast<double>(report_.measured);
    squares_ += distance * (size - mean_);

    add_to(types_, key.type, key.bytes);
    const std::string pattern = key_pattern(key.name);
    const bool known = patterns_.size() < most_patterns || patterns_.contains(pattern);
    add_to(patterns_, known ? std::string_view(pattern) : other_patterns, key.bytes);

    // A heap whose first is the smallest of the largest.
    std::vector<MemoryReport::Key>& largest = report_.largest;
    if (top_ == 0 || (largest.size() == top_ && !is_larger(key, largest.front()))) return;
    if (largest.size() == top_) {
        std::pop_heap(largest.begin(), largest.end(), is_larger);
        largest.pop_back();
    }
    largest.push_back(std::move(key));
    std::push_heap(largest.begin(), largest.end(), is_larger);
}

std::vector<MemoryReport::Group> MemoryTally::sorted(Groups&& groups) {
    std::vector<MemoryReport::Group> out;
    for (auto& [name, group] : groups) out.push_back(std::move(group));
    std::sort(out.begin(), out.end(), [](const MemoryReport::Group& left, const MemoryReport::Group& right) {
        return left.bytes != right.bytes ? left.bytes > right.bytes : left.name < right.name;
    });
    return out;
}

MemoryReport MemoryTally::finish(std::uint64_t found, double share) && {
    MemoryReport report = std::move(report_);
    std::sort(report.largest.begin(), report.largest.end(), is_larger);
    report.types = sorted(std::move(types_));
    report.patterns = sorted(std::move(patterns_));
    report.found = found;
    report.share_walked = share;
    const auto n = static_cast<double>(report.measured);
    // A key that was told of twice, or is gone, leaves fewer than were found; those that were measured are there.
    const double there = std::max(static_cast<double>(found), n);
    report.estimated_keys = share > 0 ? there / share : there;
    if (report.measured == 0) return report;
    if (share >= 1 && report.measured + report.gone >= found) {  // nothing is left to be estimated
        report.estimated_keys = n;
        report.estimated_bytes = report.low_bytes = report.high_bytes = static_cast<double>(report.bytes);
        return report;
    }
    const double keys = report.estimated_keys;
    report.estimated_bytes = keys * mean_;
    // Of one key alone nothing is known of how the sizes differ: the error is taken to be as large as it.
    const double variance = report.measured > 1 ? squares_ / (n - 1) : mean_ * mean_;
    const double of_mean = variance / n * std::max(1 - n / keys, 0.0);
    const double of_keys = there > 0 ? keys * keys * (1 - share) / there : 0;
    report.standard_error_bytes = std::sqrt(keys * keys * of_mean + mean_ * mean_ * of_keys + of_mean * of_keys);
    const double reach = errors_of_95_percent * report.standard_error_bytes;
    report.low_bytes = std::max(report.estimated_bytes - reach, static_cast<double>(report.bytes));
    report.high_bytes = std::max(report.estimated_bytes + reach, report.low_bytes);
    return report;
}

std::string as_utf8(std::string_view bytes) {
    std::string out;
    while (!bytes.empty()) {
        const std::size_t size = sequence_at(bytes);
        if (size == 0) {
            out += fmt::format("\\x{:02x}", static_cast<unsigned char>(bytes[0]));
        } else {
            out += bytes.substr(0, size);
        }
        bytes.remove_prefix(std::max<std::size_t>(size, 1));
    }
    return out;
}

}  // namespace redoubt::service
