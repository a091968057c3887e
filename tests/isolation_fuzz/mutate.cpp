// tests: mutations of words; see the header.
#include "mutate.hpp"

#include <algorithm>
#include <cctype>

namespace redoubt::isolation_fuzz {
namespace {

using namespace std::string_view_literals;

// No -9223372036854775807: as a count of SRANDMEMBER it asks for so many members.
constexpr std::array hot_words{"STORE"sv,
                               "STOREDIST"sv,
                               "STREAMS"sv,
                               "DB"sv,
                               "KEYS"sv,
                               "LIMIT"sv,
                               "GET"sv,
                               "BY"sv,
                               "MATCH"sv,
                               "COUNT"sv,
                               "BLOCK"sv,
                               "GROUP"sv,
                               "REPLACE"sv,
                               "TYPE"sv,
                               "WITHSCORES"sv,
                               "#"sv,
                               "*"sv,
                               "s*"sv,
                               "proj:*"sv,
                               "h*->f1"sv,
                               "proj:other:s1"sv,
                               "proj:other:l1"sv,
                               "proj:other:z1"sv,
                               "proj:fuzz:s1"sv,
                               "proj:fuz:s1"sv,
                               "s1"sv,
                               "l1"sv,
                               "z1"sv,
                               "x1"sv,
                               ""sv,
                               "0"sv,
                               "1"sv,
                               "2"sv,
                               "-1"sv,
                               "+1"sv,
                               "01"sv,
                               " 1"sv,
                               "1 "sv,
                               "99999"sv,
                               "100000"sv,
                               "4294967297"sv,
                               "9223372036854775807"sv,
                               "9223372036854775808"sv,
                               "-9223372036854775808"sv,
                               "18446744073709551617"sv,
                               "1e3"sv,
                               "nan"sv,
                               "inf"sv,
                               "\0"sv,
                               "\r\n"sv,
                               "*1\r\n$8\r\nFLUSHALL\r\n"sv};

/// Options that bring a key, a database or a pattern along.
struct Pair {
    std::string_view option;
    std::string_view value;
};
constexpr std::array hot_pairs{Pair{"STORE", "l2"},
                               Pair{"STORE", "z2"},
                               Pair{"STOREDIST", "z2"},
                               Pair{"DB", "1"},
                               Pair{"MATCH", "*"},
                               Pair{"BY", "s*"},
                               Pair{"GET", "s*"},
                               Pair{"GET", "h*->f1"},
                               Pair{"STREAMS", "x1"},
                               Pair{"KEYS", "s1"},
                               Pair{"STORE", "proj:other:l1"},
                               Pair{"BLOCK", "1"},
                               Pair{"GET", "#"},
                               Pair{"COUNT", "10"},
                               Pair{"LIMIT", "0"},
                               Pair{"BY", "proj:other:*"}};

std::size_t place(const Words& words, Random& random) { return random.below(static_cast<std::uint32_t>(words.size())); }

std::string hot_word(Random& random) {
    return std::string(hot_words[random.below(static_cast<std::uint32_t>(hot_words.size()))]);
}

void insert(Words& words, std::size_t at, std::string word) {
    words.insert(words.begin() + static_cast<std::ptrdiff_t>(at), std::move(word));
}

void insert_pair(Words& words, Random& random) {
    const Pair& pair = hot_pairs[random.below(static_cast<std::uint32_t>(hot_pairs.size()))];
    // Options mostly stand at the end.
    const std::size_t at = random.one_in(3) ? place(words, random) + 1 : words.size();
    insert(words, at, std::string(pair.value));
    insert(words, at, std::string(pair.option));
}

void spoil_word(std::string& word, Random& random) {
    switch (random.below(6)) {
        case 0: word.push_back('\0'); break;
        case 1: word.push_back(' '); break;
        case 2: word.insert(word.begin(), ' '); break;
        case 3: word.append("\r\n"); break;
        case 4: word.insert(word.begin(), random.one_in(2) ? '+' : '0'); break;
        default:
            for (char& byte : word) byte = static_cast<char>(std::tolower(static_cast<unsigned char>(byte)));
    }
}

void mutate_once(Words& words, Random& random) {
    const std::size_t at = place(words, random);
    switch (random.below(9)) {
        case 0:
            if (words.size() > 1)
                words.erase(words.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(at, 1)));
            break;
        case 1: insert(words, at + 1, words[at]); break;
        case 2: std::swap(words[at], words[place(words, random)]); break;
        case 3: words[at] = hot_word(random); break;
        case 4: insert(words, at + 1, Grammar::any_key(random)); break;
        case 5: spoil_word(words[at], random); break;
        case 6: insert(words, at + 1, hot_word(random)); break;
        default: insert_pair(words, random);
    }
}

}  // namespace

void mutate(Words& words, Random& random) {
    for (std::uint32_t times = random.between(1, 3); times != 0; --times) mutate_once(words, random);
}

}  // namespace redoubt::isolation_fuzz
