// isolation: SORT key [BY pattern] [LIMIT offset count] [GET pattern ...] [ASC | DESC] [ALPHA] [STORE destination].
#include "isolation/parse.hpp"

namespace redoubt::isolation {

// BY and GET with a pattern read keys that are named by the elements of the list: any key of any project, were the
// pattern to begin with `*`, and with the prefix still more than a server with ACL users or in a cluster allows. What
// stays is what reads the key itself alone: GET #, and BY without `*`, by which the server means `do not sort`.
Refusal parse_sort(const CommandSpec& spec, Words words, Rules rules, Parsed& out) {
    const bool may_store = spec.name == "SORT";
    const bool own_key_alone = rules.holds(Rule::sort_own_key_alone);
    bool by = false;
    bool store = false;
    const auto text = [&](std::string_view word) { out.arguments.push_back(Argument::text(word)); };
    out.arguments.push_back(Argument::key(words[1]));
    for (std::size_t i = 2; i < words.size(); ++i) {
        const std::size_t left = words.size() - i - 1;
        text(words[i]);
        if (is_option(words[i], "ASC") || is_option(words[i], "DESC") || is_option(words[i], "ALPHA")) continue;
        if (is_option(words[i], "LIMIT") && left >= 2) {
            if (!is_integer(words[i + 1]) || !is_integer(words[i + 2])) {
                return refusal(spec, "its LIMIT takes two whole numbers");
            }
            text(words[++i]);
            text(words[++i]);
        } else if (may_store && is_option(words[i], "STORE") && left >= 1) {
            if (store && rules.holds(Rule::one_sort_store)) return refusal(spec, "it takes STORE at most once");
            out.arguments.push_back(store ? Argument::text(words[i + 1]) : Argument::key(words[i + 1]));
            store = true;
            ++i;
        } else if (is_option(words[i], "BY") && left >= 1) {
            const std::string_view pattern = words[++i];
            if (by) return refusal(spec, "it takes BY at most once");
            if (own_key_alone && pattern.find('*') != std::string_view::npos) {
                return refusal(spec, "a BY with `*` reads other keys; BY nosort is allowed");
            }
            text(own_key_alone ? "nosort" : pattern);
            by = true;
        } else if (is_option(words[i], "GET") && left >= 1) {
            const std::string_view pattern = words[++i];
            if (own_key_alone && pattern != "#") {
                return refusal(spec, "a GET with a pattern reads other keys; GET # is allowed");
            }
            text(pattern);
        } else {
            return refusal(spec, may_store ? "after its key it takes BY, LIMIT, GET, ASC, DESC, ALPHA and STORE"
                                           : "after its key it takes BY, LIMIT, GET, ASC, DESC and ALPHA");
        }
    }
    out.retry = store ? RetryCategory::conditional : RetryCategory::read_only;
    return std::nullopt;
}

}  // namespace redoubt::isolation
