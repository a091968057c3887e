// service: memory of a project: the sample and what it lets one expect. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/service/memory_report.hpp>

namespace redoubt::service {

/// A simple random sample without replacement of the keys that are told of one after the other: each has the same chance,
/// however many there will be (Vitter 1985, algorithm R).
class KeyReservoir {
public:
    KeyReservoir(std::size_t capacity, std::uint64_t seed) : capacity_(capacity), random_(seed) {}
    void add(std::string&& key);
    std::uint64_t seen() const noexcept { return seen_; }
    /// The sample, each key once, in random order, so that any beginning of it is a sample, too.
    std::vector<std::string> take();

private:
    std::size_t capacity_;
    std::mt19937_64 random_;
    std::uint64_t seen_ = 0;
    std::vector<std::string> keys_;
};

/// The share of the keyspace's table that a SCAN has walked when it was told to go on at `cursor`: both servers count in
/// the cursor's bits from the highest of the table's down, so that they reversed are a fraction. 0 is the end.
double share_walked(std::uint64_t cursor) noexcept;

/// Measured keys added up.
class MemoryTally {
public:
    static constexpr std::size_t most_patterns = 1000;

    explicit MemoryTally(std::size_t top) : top_(top) {}
    void add(MemoryReport::Key key);
    void add_gone() noexcept { ++report_.gone; }
    std::uint64_t measured() const noexcept { return report_.measured; }
    /// With the estimates for `found` keys in this share of the keyspace.
    MemoryReport finish(std::uint64_t found, double share) &&;

private:
    using Groups = std::map<std::string, MemoryReport::Group, std::less<>>;
    static void add_to(Groups& groups, std::string_view name, std::int64_t bytes);
    static std::vector<MemoryReport::Group> sorted(Groups&& groups);

    std::size_t top_;
    MemoryReport report_;
    Groups types_;
    Groups patterns_;
    double mean_ = 0;     // Welford's
    double squares_ = 0;  // of the distances from it
};

/// A text that JSON can hold: bytes that are no UTF-8 as `\xHH`.
std::string as_utf8(std::string_view bytes);

}  // namespace redoubt::service
