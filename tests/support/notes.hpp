// tests: what listeners were told, kept as text, from whichever threads.
#pragma once

#include <mutex>
#include <string>
#include <string_view>

namespace redoubt::testing {

/// Thread-safe.
class Notes {
public:
    void add(std::string_view text) {
        const std::lock_guard lock(mutex_);
        text_ += text;
    }
    std::string text() const {
        const std::lock_guard lock(mutex_);
        return text_;
    }

private:
    mutable std::mutex mutex_;
    std::string text_;
};

}  // namespace redoubt::testing
