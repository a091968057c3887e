// apps: splits a line into arguments with the quoting of redis-cli. Pure.
#include "apps/tokenizer.hpp"

#include <optional>

namespace redoubt::apps {
namespace {

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\v' || c == '\f' || c == '\r'; }

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

char unescaped(char c) {
    switch (c) {
        case 'n': return '\n';
        case 'r': return '\r';
        case 't': return '\t';
        case 'b': return '\b';
        case 'a': return '\a';
        default: return c;
    }
}

class Tokenizer {
public:
    explicit Tokenizer(std::string_view line) : line_(line) {}

    std::variant<std::vector<std::string>, TokenizeError> run() {
        std::vector<std::string> tokens;
        for (;;) {
            while (at_ < line_.size() && is_space(line_[at_])) ++at_;
            if (at_ == line_.size()) return tokens;
            std::string token;
            if (const auto error = read_token(token)) return *error;
            tokens.push_back(std::move(token));
        }
    }

private:
    std::optional<TokenizeError> read_token(std::string& token) {
        while (at_ < line_.size() && !is_space(line_[at_])) {
            const char c = line_[at_];
            if (c == '\0') return TokenizeError{at_ + 1, "a NUL byte; write it as \"\\x00\""};
            if (c == '"' || c == '\'') return read_quoted(token, c);
            token += c;
            ++at_;
        }
        return std::nullopt;
    }

    std::optional<TokenizeError> read_quoted(std::string& token, char quote) {
        const std::size_t opened = at_++;
        while (at_ < line_.size()) {
            const char c = line_[at_];
            if (c == quote) {
                ++at_;
                if (at_ == line_.size() || is_space(line_[at_])) return std::nullopt;
                return TokenizeError{at_ + 1, "white space must follow a closing quote"};
            }
            if (c == '\\' && at_ + 1 < line_.size()) {
                read_escape(token, quote);
            } else {
                token += c;
                ++at_;
            }
        }
        return TokenizeError{opened + 1, "a quote is not closed"};
    }

    /// At a backslash that is not the last byte.
    void read_escape(std::string& token, char quote) {
        const char next = line_[at_ + 1];
        if (quote == '\'') {
            if (next == '\'') ++at_;  // the only escape here; another backslash stands for itself
            token += line_[at_++];
            return;
        }
        if (next == 'x' && at_ + 3 < line_.size()) {
            const int high = hex_digit(line_[at_ + 2]);
            const int low = hex_digit(line_[at_ + 3]);
            if (high >= 0 && low >= 0) {
                token += static_cast<char>(high * 16 + low);
                at_ += 4;
                return;
            }
        }
        token += unescaped(next);
        at_ += 2;
    }

    std::string_view line_;
    std::size_t at_ = 0;
};

}  // namespace

std::variant<std::vector<std::string>, TokenizeError> tokenize(std::string_view line) { return Tokenizer(line).run(); }

}  // namespace redoubt::apps
