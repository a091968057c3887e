// topology: CRC16; see the header.
#include "topology/crc16.hpp"

#include <array>
#include <cstddef>
#include <cstring>

#if defined(__x86_64__)
#include <emmintrin.h>
#include <wmmintrin.h>
#endif

namespace redoubt::topology {
namespace {

constexpr std::uint32_t polynomial = 0x11021;

// The remainder that each byte leaves, so that a byte costs one look-up.
constexpr std::array<std::uint16_t, 256> make_remainders() {
    std::array<std::uint16_t, 256> table{};
    for (std::uint32_t byte = 0; byte != table.size(); ++byte) {
        std::uint32_t rest = byte << 8;
        for (int bit = 0; bit != 8; ++bit) rest = (rest & 0x8000u) != 0 ? (rest << 1) ^ polynomial : rest << 1;
        table[byte] = static_cast<std::uint16_t>(rest);
    }
    return table;
}

constexpr std::array<std::uint16_t, 256> remainders = make_remainders();

#if defined(__x86_64__)

// x^80 divided by the polynomial, without the quotient's x^64.
constexpr std::uint64_t make_inverse() {
    std::uint64_t quotient = 0;
    std::uint32_t rest = 0;
    for (int power = 80; power >= 0; --power) {
        rest = (rest << 1) | (power == 80 ? 1u : 0u);
        const bool divides = (rest & 0x10000u) != 0;
        if (divides) rest ^= polynomial;
        quotient = (quotient << 1) | (divides ? 1u : 0u);
    }
    return quotient;
}

constexpr std::uint64_t inverse = make_inverse();

std::uint64_t word_at(const char* bytes) noexcept {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return __builtin_bswap64(word);
}

// What `word * x^16` leaves, by Barrett's reduction over GF(2): the upper half of the product with the inverse is the
// quotient exactly, since the dividend has fewer than 80 bits and ends with 16 zeros.
[[gnu::target("pclmul"), gnu::always_inline]] inline std::uint64_t remainder_of(std::uint64_t word) noexcept {
    const __m128i inverse_and_polynomial = _mm_set_epi64x(polynomial & 0xffff, static_cast<long long>(inverse));
    const __m128i dividend = _mm_cvtsi64_si128(static_cast<long long>(word));
    const __m128i product = _mm_clmulepi64_si128(dividend, inverse_and_polynomial, 0x00);
    const __m128i quotient = _mm_xor_si128(_mm_unpackhi_epi64(product, product), dividend);
    const __m128i multiple = _mm_clmulepi64_si128(quotient, inverse_and_polynomial, 0x10);
    return static_cast<std::uint32_t>(_mm_extract_epi16(multiple, 0));
}

[[gnu::target("pclmul"), gnu::always_inline]] inline __m128i braces_in(const char* word) noexcept {
    return _mm_cmpeq_epi8(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(word)), _mm_set1_epi8('{'));
}

// One for each place where there is one; the upper half of the register has none.
[[gnu::always_inline]] inline std::uint32_t bits_of(__m128i braces) noexcept {
    return static_cast<std::uint32_t>(_mm_movemask_epi8(braces)) << 16;
}

// With what is behind the last whole word, which has less than eight bytes; eight before its end are looked at.
[[gnu::target("pclmul"), gnu::noinline]] std::uint32_t with_rest(const char* end, std::size_t left, std::uint64_t rest,
                                                                 std::uint32_t braces) noexcept {
    const std::uint64_t last = word_at(end - 8) & ((std::uint64_t{1} << (8 * left)) - 1);
    // Of one byte the lower half of what was before stays above the remainder.
    const std::uint64_t below = left == 1 ? (rest << 8) & 0xffffu : 0;
    const std::uint64_t above = left == 1 ? rest >> 8 : rest << (8 * left - 16);
    rest = remainder_of(last ^ above) ^ below;
    return static_cast<std::uint32_t>(rest) | braces | bits_of(braces_in(end - 8));
}

#endif

}  // namespace

#if defined(__x86_64__)

[[gnu::target("pclmul")]] std::uint32_t crc16_by_words(std::string_view bytes, std::uint16_t before) noexcept {
    std::uint64_t rest = before;
    __m128i braces = _mm_setzero_si128();
    const char* at = bytes.data();
    std::size_t left = bytes.size();
    do {
        braces = _mm_or_si128(braces, braces_in(at));
        rest = remainder_of(word_at(at) ^ (rest << 48));
        at += 8;
        left -= 8;
    } while (left >= 8);
    const std::uint32_t found = bits_of(braces);
    if (left != 0) return with_rest(at + left, left, rest, found);
    return static_cast<std::uint32_t>(rest) | found;
}

const bool has_words = __builtin_cpu_supports("pclmul") != 0;

#endif

std::uint32_t crc16_by_bytes(std::string_view bytes, std::uint16_t before) noexcept {
    std::uint32_t rest = before;
    std::uint32_t braces = 0;
    for (const char c : bytes) {
        rest = ((rest << 8) & 0xffffu) ^ remainders[(rest >> 8) ^ static_cast<unsigned char>(c)];
        if (c == '{') braces = brace_bits;
    }
    return rest | braces;
}

}  // namespace redoubt::topology
