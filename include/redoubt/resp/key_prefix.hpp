// resp: the one value that rewriting, stripping, SCAN patterns and ACL rules take a project's prefix from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace redoubt {

/// `proj:{project_id}:`, or nothing for the unprefixed pool of `development`. Made by isolation, which has
/// checked the id. Immutable; safe to share between threads.
class KeyPrefix {
public:
    KeyPrefix() = default;  ///< no prefix
    explicit KeyPrefix(std::string text) : text_(std::move(text)) {}

    std::string_view view() const noexcept { return text_; }
    std::size_t size() const noexcept { return text_.size(); }
    bool empty() const noexcept { return text_.empty(); }

    /// The key without the prefix, or nullopt when it does not carry it.
    std::optional<std::string_view> strip(std::string_view stored) const noexcept {
        if (stored.substr(0, text_.size()) != text_) return std::nullopt;
        return stored.substr(text_.size());
    }
    /// The prefix with the glob characters `* ? [ ] \ ^` escaped by a backslash, for MATCH.
    std::string glob_escaped() const;

private:
    std::string text_;
};

}  // namespace redoubt
