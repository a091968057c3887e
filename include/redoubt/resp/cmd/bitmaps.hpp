// resp: builders of the commands on the bits of a string, and on integers packed into one.
#pragma once

#include <redoubt/resp/cmd/strings.hpp>

namespace redoubt {

/// What `start` and `end` of a range of bits count.
enum class BitUnit : std::uint8_t { byte, bit };
/// How BITOP joins strings; for NOT, which takes one, there is bitop_not().
enum class BitOperator : std::uint8_t { bit_and, bit_or, bit_xor };

/// An integer inside a bitfield: `BitfieldType::u(8)`, 1 to 63 bits; `BitfieldType::i(16)`, 1 to 64 bits.
struct BitfieldType {
    bool is_signed = false;
    std::uint8_t bits = 8;

    static constexpr BitfieldType u(std::uint8_t bits) { return {false, bits}; }
    static constexpr BitfieldType i(std::uint8_t bits) { return {true, bits}; }
};

/// One operation of BITFIELD, such as `BitfieldOperation::incrby(BitfieldType::u(8), 0, 1)`.
struct BitfieldOperation {
    enum class Kind : std::uint8_t { get, set, incrby };
    /// What happens to a number that does not fit: it wraps around, stays at the limit, or is left alone (its result
    /// is then nullopt).
    enum class Overflow : std::uint8_t { wrap, sat, fail };

    Kind kind = Kind::get;
    BitfieldType type = {};
    Overflow overflow = Overflow::wrap;
    bool by_width = false;     ///< the offset counts integers of this type, not bits
    std::uint32_t offset = 0;  ///< of the first bit
    std::int64_t value = 0;    ///< of SET and INCRBY

    static constexpr BitfieldOperation get(BitfieldType type, std::uint32_t offset) {
        return {Kind::get, type, Overflow::wrap, false, offset, 0};
    }
    static constexpr BitfieldOperation set(BitfieldType type, std::uint32_t offset, std::int64_t value,
                                           Overflow overflow = Overflow::wrap) {
        return {Kind::set, type, overflow, false, offset, value};
    }
    static constexpr BitfieldOperation incrby(BitfieldType type, std::uint32_t offset, std::int64_t by,
                                              Overflow overflow = Overflow::wrap) {
        return {Kind::incrby, type, overflow, false, offset, by};
    }
    /// The same with the offset as a number of integers: the third byte is `get(BitfieldType::u(8), 2).nth()`.
    constexpr BitfieldOperation nth() const {
        BitfieldOperation operation = *this;
        operation.by_width = true;
        return operation;
    }
};

using BitfieldList = std::span<const BitfieldOperation>;
using BitfieldBraces = std::initializer_list<BitfieldOperation>;

static_assert(std::is_trivially_destructible_v<BitfieldOperation> && std::is_trivially_copyable_v<BitfieldOperation>);

namespace cmd {

/// Sets a bit, and returns the one before.
Command<bool> setbit(std::string_view key, std::uint32_t offset, bool bit);
/// A bit; those past the end are 0.
Command<bool> getbit(std::string_view key, std::uint32_t offset);
/// How many bits are set, in all or from `start` to `end`, both included; negative ones count from the end.
Command<std::int64_t> bitcount(std::string_view key);
Command<std::int64_t> bitcount(std::string_view key, std::int64_t start, std::int64_t end,
                               BitUnit unit = BitUnit::byte);
/// The position of the first bit that is `bit`, or -1; in all, or from `start` to `end`.
Command<std::int64_t> bitpos(std::string_view key, bool bit);
Command<std::int64_t> bitpos(std::string_view key, bool bit, std::int64_t start, std::int64_t end = -1,
                             BitUnit unit = BitUnit::byte);
/// Stores the joined bits over `destination`; says how many bytes that has.
Command<std::int64_t> bitop(BitOperator join, std::string_view destination, TextList sources);
Command<std::int64_t> bitop(BitOperator join, std::string_view destination, TextBraces sources);
/// Stores the inverted bits of `source` over `destination`; says how many bytes that has.
Command<std::int64_t> bitop_not(std::string_view destination, std::string_view source);
/// Performs the operations in their order. For each its number: what GET read, what was there before SET, what INCRBY
/// made; nullopt when it would have overflowed and was told to fail.
Command<std::vector<std::optional<std::int64_t>>> bitfield(std::string_view key, BitfieldList operations);
Command<std::vector<std::optional<std::int64_t>>> bitfield(std::string_view key, BitfieldBraces operations);
/// The same of reads alone, which a replica may serve.
Command<std::vector<std::int64_t>> bitfield_ro(std::string_view key, BitfieldList operations);
Command<std::vector<std::int64_t>> bitfield_ro(std::string_view key, BitfieldBraces operations);

}  // namespace cmd
}  // namespace redoubt
