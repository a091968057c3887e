// tests: the grammar of commands; see the header.
#include "grammar.hpp"

#include <cctype>
#include <sstream>
#include <stdexcept>

#include <redoubt/resp/command_table.hpp>

namespace redoubt::isolation_fuzz {
namespace {

constexpr std::size_t frequent = 4;
constexpr std::uint32_t rare = 200;

template <std::size_t Size>
std::string_view pick(Random& random, const std::array<std::string_view, Size>& from) {
    return from[random.below(Size)];
}

constexpr std::array<std::string_view, 10> values{"v", "1", "10", "3.5", "", "text", "m1", "hello world", "0", "-7"};
constexpr std::array<std::string_view, 8> small{"0", "1", "2", "3", "5", "10", "100", "1000"};
constexpr std::array<std::string_view, 5> positive{"1", "10", "100", "1000", "99999"};
constexpr std::array<std::string_view, 8> whole{"0", "1", "2", "-1", "-2", "3", "10", "-3"};
constexpr std::array<std::string_view, 7> reals{"0", "1", "2.5", "-1.25", "1e3", "inf", "10"};
constexpr std::array<std::string_view, 6> members{"m1", "m2", "m3", "1", "2", "3"};
constexpr std::array<std::string_view, 4> fields{"f1", "f2", "f3", "1"};
constexpr std::array<std::string_view, 7> globs{"*", "s*", "h*->f1", "?1", "[a-z]1", "proj:*", "no\\*"};
constexpr std::array<std::string_view, 4> cursors{"0", "0", "1", "17"};
constexpr std::array<std::string_view, 6> ids{"0", "1-1", "2-1", "1", "$", ">"};
constexpr std::array<std::string_view, 3> groups{"grp", "STREAMS", "nogroup"};
constexpr std::array<std::string_view, 3> consumers{"alice", "STREAMS", "bob"};
constexpr std::array<std::string_view, 4> seconds{"0.001", "0.002", "0.0001", "1"};
constexpr std::array<std::string_view, 4> milliseconds{"1", "2", "3", "1000"};
constexpr std::array<std::string_view, 3> longitudes{"13.361389", "15.087269", "0"};
constexpr std::array<std::string_view, 3> latitudes{"38.115556", "37.502669", "0"};
constexpr std::array<std::string_view, 3> radii{"200", "1000", "5"};
constexpr std::array<std::string_view, 4> units{"km", "m", "mi", "ft"};
constexpr std::array<std::string_view, 3> places{"Palermo", "Catania", "nowhere"};
constexpr std::array<std::string_view, 5> bounds{"-inf", "+inf", "1", "(1", "3"};
constexpr std::array<std::string_view, 5> lex_bounds{"-", "+", "[m1", "(m2", "[z"};
constexpr std::array<std::string_view, 5> bit_types{"u8", "i16", "u63", "i5", "u1"};
constexpr std::array<std::string_view, 5> types{"string", "list", "zset", "hash", "none"};
/// Keys that are called like an option, like another project's key, or like nothing.
constexpr std::array<std::string_view, 8> odd_keys{"STREAMS", "STORE",         "missing",      "",
                                                   "BY",      "proj:other:s1", "proj:fuzz:s1", "a\r\nb"};

const KeyKind* find_kind(std::string_view kind) {
    for (const KeyKind& known : key_kinds) {
        if (known.kind == kind) return &known;
    }
    return nullptr;
}

std::string key_of(const KeyKind& kind, Random& random) {
    return {kind.letter, static_cast<char>('1' + random.below(keys_of_a_kind))};
}

std::string change_case(std::string word, Random& random) {
    for (char& byte : word) {
        if (random.one_in(2)) byte = static_cast<char>(std::tolower(static_cast<unsigned char>(byte)));
    }
    return word;
}

}  // namespace

std::string Grammar::any_key(Random& random) {
    if (random.one_in(16)) return std::string(pick(random, odd_keys));
    return key_of(key_kinds[random.below(key_kinds.size())], random);
}

void Grammar::add_value(std::string_view kind, Random& random, Words& out) {
    if (const KeyKind* key = find_kind(kind)) {
        out.push_back(random.one_in(16) ? any_key(random) : key_of(*key, random));
        return;
    }
    struct Kind {
        std::string_view name;
        std::string_view (*pick)(Random&);
    };
    static constexpr std::array kinds{
        Kind{"val", [](Random& r) { return pick(r, values); }},
        Kind{"uint", [](Random& r) { return pick(r, small); }},
        Kind{"positive", [](Random& r) { return pick(r, positive); }},
        Kind{"int", [](Random& r) { return pick(r, whole); }},
        Kind{"float", [](Random& r) { return pick(r, reals); }},
        Kind{"member", [](Random& r) { return pick(r, members); }},
        Kind{"field", [](Random& r) { return pick(r, fields); }},
        Kind{"glob", [](Random& r) { return pick(r, globs); }},
        Kind{"cursor", [](Random& r) { return pick(r, cursors); }},
        Kind{"id", [](Random& r) { return pick(r, ids); }},
        Kind{"group", [](Random& r) { return pick(r, groups); }},
        Kind{"consumer", [](Random& r) { return pick(r, consumers); }},
        Kind{"secs", [](Random& r) { return pick(r, seconds); }},
        Kind{"ms", [](Random& r) { return pick(r, milliseconds); }},
        Kind{"lon", [](Random& r) { return pick(r, longitudes); }},
        Kind{"lat", [](Random& r) { return pick(r, latitudes); }},
        Kind{"radius", [](Random& r) { return pick(r, radii); }},
        Kind{"unit", [](Random& r) { return pick(r, units); }},
        Kind{"place", [](Random& r) { return pick(r, places); }},
        Kind{"bound", [](Random& r) { return pick(r, bounds); }},
        Kind{"lex", [](Random& r) { return pick(r, lex_bounds); }},
        Kind{"bits", [](Random& r) { return pick(r, bit_types); }},
        Kind{"type", [](Random& r) { return pick(r, types); }},
        Kind{"channel", [](Random& r) { return pick(r, channels); }},
    };
    if (kind == "key") return out.push_back(any_key(random));
    for (const Kind& known : kinds) {
        if (known.name == kind) return out.push_back(std::string(known.pick(random)));
    }
    throw std::logic_error("the grammar has no value " + std::string(kind));
}

Grammar::Grammar() {
    std::istringstream lines{std::string(command_lines())};
    for (std::string text; std::getline(lines, text);) {
        if (text.empty()) continue;
        Line line;
        const char mark = text.front();
        if (mark == '~' || mark == '!') text.erase(0, 1);
        line.rare = mark == '~';
        std::vector<std::string> tokens;
        std::istringstream words(text);
        for (std::string token; words >> token;) tokens.push_back(token);
        const CommandSpec* const spec = find_command(tokens[0], tokens.size() > 1 ? tokens[1] : std::string());
        if (spec == nullptr) throw std::logic_error("the grammar has a command that the table has not: " + text);
        line.name = spec->name;
        std::size_t at = 0;
        line.nodes = std::move(parse(tokens, at, "").at(0));
        lines_.push_back(std::move(line));
        const std::size_t weight = mark == '!' ? frequent : 1;
        turns_.insert(turns_.end(), weight, lines_.size() - 1);
    }
}

std::vector<std::vector<Grammar::Node>> Grammar::parse(const std::vector<std::string>& tokens, std::size_t& at,
                                                       std::string_view end) {
    std::vector<std::vector<Node>> alternatives(1);
    for (; at < tokens.size() && tokens[at] != end; ++at) {
        const std::string& token = tokens[at];
        if (token == "|") {
            alternatives.emplace_back();
            continue;
        }
        Node node;
        node.text = token;
        if (token == "[" || token == "(" || token == "{") {
            node.type = token == "[" ? Type::optional : token == "(" ? Type::choice : Type::repeat;
            node.alternatives = parse(tokens, ++at, token == "[" ? "]" : token == "(" ? ")" : "}");
        } else if (token == "@streams") {
            node.type = Type::streams;
        } else if (token.size() > 1 && token[0] == '#') {
            node.type = Type::keys;
            node.text.erase(0, 1);
        } else if (std::islower(static_cast<unsigned char>(token[0])) != 0) {
            node.type = Type::value;
        }
        alternatives.back().push_back(std::move(node));
    }
    return alternatives;
}

void Grammar::add(const std::vector<Node>& nodes, Random& random, Words& out) {
    for (const Node& node : nodes) {
        std::uint32_t times = 1;
        switch (node.type) {
            case Type::literal: out.push_back(node.text); continue;
            case Type::value: add_value(node.text, random, out); continue;
            case Type::keys: {
                const std::uint32_t count = random.between(1, 3);
                out.push_back(std::to_string(count));
                for (std::uint32_t i = 0; i < count; ++i) add_value(node.text, random, out);
                continue;
            }
            case Type::streams: {
                const std::uint32_t count = random.between(1, 3);
                for (std::uint32_t i = 0; i < count; ++i) add_value("stream", random, out);
                for (std::uint32_t i = 0; i < count; ++i) add_value("id", random, out);
                continue;
            }
            case Type::optional: times = random.below(2); break;
            case Type::choice: break;
            case Type::repeat: times = random.between(1, 3); break;
        }
        for (; times != 0; --times) {
            const auto which = random.below(static_cast<std::uint32_t>(node.alternatives.size()));
            add(node.alternatives[which], random, out);
        }
    }
}

void Grammar::make_line(std::size_t line, Random& random, Words& out) const {
    out.clear();
    add(lines_[line].nodes, random, out);
}

void Grammar::make(Random& random, Words& out) const {
    std::size_t line = 0;
    do {
        line = turns_[random.below(static_cast<std::uint32_t>(turns_.size()))];
    } while (lines_[line].rare && !random.one_in(rare));
    make_line(line, random, out);
    if (random.one_in(4)) {
        for (std::string& word : out) {
            if (!word.empty() && std::isupper(static_cast<unsigned char>(word[0])) != 0) {
                word = change_case(std::move(word), random);
            }
        }
    }
}

}  // namespace redoubt::isolation_fuzz
