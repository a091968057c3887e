// isolation: GEORADIUS key longitude latitude radius unit [options], GEORADIUSBYMEMBER key member radius unit [options].
#include "isolation/parse.hpp"

namespace redoubt::isolation {

// The server stores at the last STORE or STOREDIST, while its key specs, and so its ACL, look at the first; so a second
// one is refused, and the one that there is gets the prefix.
Refusal parse_georadius(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    const std::size_t first_option = spec.name == "GEORADIUS" ? 6 : 5;
    bool store = false;
    const auto text = [&](std::string_view word) { out.arguments.push_back(Argument::text(word)); };
    out.arguments.push_back(Argument::key(words[1]));
    for (std::size_t i = 2; i < first_option; ++i) text(words[i]);
    for (std::size_t i = first_option; i < words.size(); ++i) {
        const bool has_value = i + 1 < words.size();
        text(words[i]);
        if (is_option(words[i], "WITHDIST") || is_option(words[i], "WITHHASH") || is_option(words[i], "WITHCOORD") ||
            is_option(words[i], "ANY") || is_option(words[i], "ASC") || is_option(words[i], "DESC")) {
            continue;
        }
        if (is_option(words[i], "COUNT") && has_value) {
            if (!is_integer(words[i + 1])) return refusal(spec, "its COUNT takes a whole number");
            text(words[++i]);
        } else if ((is_option(words[i], "STORE") || is_option(words[i], "STOREDIST")) && has_value) {
            if (store && rules.holds(Rule::one_geo_store)) {
                return refusal(spec, "it takes one of STORE and STOREDIST, and that once");
            }
            out.arguments.push_back(store ? Argument::text(words[i + 1]) : Argument::key(words[i + 1]));
            store = true;
            ++i;
        } else {
            return refusal(spec,
                           "its options are WITHCOORD, WITHDIST, WITHHASH, COUNT with ANY, ASC, DESC, STORE and "
                           "STOREDIST");
        }
    }
    out.retry = store ? RetryCategory::conditional : RetryCategory::read_only;
    return std::nullopt;
}

}  // namespace redoubt::isolation
