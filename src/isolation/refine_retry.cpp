// isolation: what may be retried of a raw command whose options decide what it does.
#include "isolation/parse.hpp"

namespace redoubt::isolation {
namespace {

template <class... Options>
bool has_any(Words words, Options... options) noexcept {
    for (const std::string_view word : words) {
        if ((is_option(word, options) || ...)) return true;
    }
    return false;
}

RetryCategory of_set(const CommandSpec& spec, Words options) noexcept {
    for (const std::string_view word : options) {
        const bool plain = is_option(word, "EX") || is_option(word, "PX") || is_option(word, "EXAT") ||
                           is_option(word, "PXAT") || is_digits(word);
        if (!plain) return RetryCategory::conditional;
    }
    return spec.retry;
}

RetryCategory of_getex(const CommandSpec& spec, Words options) noexcept {
    if (options.empty()) return RetryCategory::read_only;
    return has_any(options, "EXAT", "PXAT") ? RetryCategory::conditional : spec.retry;
}

RetryCategory of_zadd(const CommandSpec& spec, Words options) noexcept {
    if (has_any(options, "INCR")) return RetryCategory::accumulating;
    return has_any(options, "NX", "XX", "GT", "LT") ? RetryCategory::conditional : spec.retry;
}

/// SET answers with what was there before, which a second one would not.
RetryCategory of_bitfield(Words operations) noexcept {
    if (has_any(operations, "INCRBY")) return RetryCategory::accumulating;
    return has_any(operations, "SET") ? RetryCategory::conditional : RetryCategory::read_only;
}

}  // namespace

RetryCategory refined_retry(const CommandSpec& spec, Words words) noexcept {
    const std::string_view name = spec.name;
    if (name == "SET") return of_set(spec, words.subspan(3));
    if (name == "GETEX") return of_getex(spec, words.subspan(2));
    if (name == "ZADD") return of_zadd(spec, words.subspan(2));
    if (name == "BITFIELD") return of_bitfield(words.subspan(2));
    if (name == "GEOADD" && has_any(words.subspan(2), "NX", "XX")) return RetryCategory::conditional;
    if (name == "EXPIRE" || name == "PEXPIRE" || name == "EXPIREAT" || name == "PEXPIREAT") {
        if (words.size() > 3) return RetryCategory::conditional;
    }
    return spec.retry;
}

}  // namespace redoubt::isolation
