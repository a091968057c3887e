// tests: makes calls of every allowed command from a small grammar, the same on every machine for the same seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "support/random.hpp"

namespace redoubt::isolation_fuzz {

using testing::Random;
using Words = std::vector<std::string>;

/// The lines of the grammar (commands.cpp).
std::string_view command_lines();

/// The kinds of keys, and of how many of each the grammar knows the name: `s1` to `s3` are strings.
struct KeyKind {
    std::string_view kind;
    char letter;
};
inline constexpr std::array key_kinds{KeyKind{"str", 's'},  KeyKind{"list", 'l'}, KeyKind{"set", 't'},
                                      KeyKind{"zset", 'z'}, KeyKind{"hash", 'h'}, KeyKind{"stream", 'x'},
                                      KeyKind{"geo", 'g'},  KeyKind{"hll", 'p'}};
inline constexpr unsigned keys_of_a_kind = 3;
inline constexpr std::array<std::string_view, 3> channels{"ch1", "ch2", "news"};

class Grammar {
public:
    Grammar();

    /// A call of any command, the words in any case.
    void make(Random& random, Words& out) const;
    /// One of this line, in capitals.
    void make_line(std::size_t line, Random& random, Words& out) const;
    std::size_t size() const noexcept { return lines_.size(); }
    /// The name with its subcommand, as in the command table.
    const std::string& name(std::size_t line) const noexcept { return lines_[line].name; }

    /// A value of this kind: a key's name, a number.
    static void add_value(std::string_view kind, Random& random, Words& out);
    static std::string any_key(Random& random);

private:
    enum class Type : std::uint8_t { literal, value, keys, streams, optional, choice, repeat };
    struct Node {
        Type type = Type::literal;
        std::string text;
        std::vector<std::vector<Node>> alternatives;
    };
    struct Line {
        std::string name;
        std::vector<Node> nodes;
        bool rare = false;
    };

    static std::vector<std::vector<Node>> parse(const std::vector<std::string>& tokens, std::size_t& at,
                                                std::string_view end);
    static void add(const std::vector<Node>& nodes, Random& random, Words& out);

    std::vector<Line> lines_;
    std::vector<std::size_t> turns_;  // of a line as often as it is to be taken
};

}  // namespace redoubt::isolation_fuzz
