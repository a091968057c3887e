// tests: an operation that remembers what a wire did to it, and frames for it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/connection/operation.hpp>

namespace redoubt::testing {

inline std::string bulk(std::string_view text) {
    return "$" + std::to_string(text.size()) + "\r\n" + std::string(text) + "\r\n";
}

/// What happened, in order; shared by the operations of one test.
using Log = std::vector<std::string>;

/// Sends `bytes` and keeps its frames. Each callback is written to the log as `name:frame`, `name done` or
/// `name failed`.
class ScriptedOperation : public Operation {
public:
    explicit ScriptedOperation(std::string name, Log* log = nullptr, std::uint32_t replies = 1, bool atomic = false)
        : name_(std::move(name)), bytes_("<" + name_ + ">"), log_(log) {
        set_replies(replies);
        set_atomic(atomic);
        time(std::chrono::hours(1));
    }
    ~ScriptedOperation() override = default;

    ScriptedOperation& time(Duration attempt_timeout, TimePoint call_deadline = TimePoint::max()) {
        set_timing(call_deadline, attempt_timeout);
        return *this;
    }
    ScriptedOperation& bytes(std::string bytes) {
        bytes_ = std::move(bytes);
        return *this;
    }

    /// They are at hand, as a large call's are: no `encode` is needed.
    ScriptedOperation& ready() {
        set_encoded(bytes_);
        return *this;
    }

    /// What is sent of it from here on is wrong: it may be gone.
    void spoil() { std::fill(bytes_.begin(), bytes_.end(), '?'); }

    std::size_t encoded_bound() const noexcept override { return bytes_.size() + 3; }  // an upper bound
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }
    bool on_reply(std::string_view frame) override {
        frames.emplace_back(frame);
        note(":" + std::string(frame.substr(0, frame.find('\r'))));
        return isolated;
    }
    void on_complete() override {
        ++completed;
        note(" done");
        end();
    }
    void on_failure(const Error& error, FailureSource source) override {
        ++failed;
        failure = error;
        failure_source = source;
        note(" failed");
        end();
    }

    const std::string& name() const { return name_; }
    const std::string& wire_bytes() const { return bytes_; }
    int ends() const { return completed + failed; }

    std::vector<std::string> frames;
    int completed = 0;
    int failed = 0;
    std::optional<Error> failure;
    FailureSource failure_source = FailureSource::operation;
    bool isolated = true;
    std::function<void()> then;  // from its end

private:
    void end() {
        const auto last = then;  // a copy: it may destroy this
        if (last) last();
    }
    void note(const std::string& what) {
        if (log_ != nullptr) log_->push_back(name_ + what);
    }

    std::string name_;
    std::string bytes_;
    Log* log_;
};

}  // namespace redoubt::testing
