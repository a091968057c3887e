// service: types of the application's own as replies and arguments of `command_as`. Where a type lives, beside it, two
// functions may stand, which are found by its namespace:
//
//     struct User { std::string name; int age = 0; };
//
//     // Reads one reply, on the caller's thread (async: on the service's loop). Leaves the cursor wherever it likes; what
//     // it throws becomes a mismatch. Readers of
//     // redoubt/resp/read_reply.hpp do the work, and a RESP2 array and a RESP3 map look the same to them.
//     redoubt::ReadOutcome read_reply(redoubt::ReplyCursor& cursor, const redoubt::KeyPrefix& prefix, User& out) {
//         redoubt::StringMap fields;
//         if (const auto read = redoubt::read_reply(cursor, prefix, fields); !read) return read;
//         out.name = fields["name"];
//         out.age = std::stoi(fields["age"]);
//         return redoubt::ReadOutcome::ok();
//     }
//     // As an argument: anything that becomes a std::string.
//     std::string to_argument(const User& user) { return user.name; }
//
//     User user = redis.command_as<User>("HGETALL", "user:7");
//     auto users = redis.command_as<std::vector<User>>(...);           // also std::optional<User>: nil is none
//
// Keys in the reply have lost the project's prefix before it is read; `prefix` is empty.
#pragma once

#include <array>
#include <charconv>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <redoubt/base/error.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/cmd.hpp>
#include <redoubt/resp/value.hpp>
#include <redoubt/service/commands.hpp>

namespace redoubt {
namespace service {

template <class T>
concept HasToArgument = requires(const T& value) {
    { to_argument(value) } -> std::convertible_to<std::string>;
};
template <class T>
concept Number = std::is_arithmetic_v<T> && !std::is_same_v<T, bool> && !std::is_same_v<T, char>;

/// One word of a command: a text, a number, or a value of a type that has to_argument().
class Word {
public:
    template <class T>
    requires Text<T> || HasToArgument<T> || Number<T>
    explicit Word(const T& value) {
        if constexpr (HasToArgument<T>) {
            owned_ = to_argument(value);
            view_ = owned_;
        } else if constexpr (Text<T>) {
            view_ = value;
        } else {
            char digits[32];
            owned_.assign(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
            view_ = owned_;
        }
    }
    Word(const Word&) = delete;
    Word& operator=(const Word&) = delete;
    std::string_view view() const noexcept { return view_; }

private:
    std::string owned_;
    std::string_view view_;
};

template <class T>
concept HasReader = requires(ReplyCursor& cursor, const KeyPrefix& prefix, T& out) {
    { read_reply(cursor, prefix, out) } -> std::same_as<ReadOutcome>;
};

/// Reads a `T` by `read_reply`, whichever namespace that is in; a vector or an optional of one by its elements'.
/// Afterwards the cursor stands behind the reply, whatever the reader did.
template <class T>
struct UserReader {
    static_assert(HasReader<T>,
                  "a reply is read as a T by a function ReadOutcome read_reply(ReplyCursor&, const "
                  "KeyPrefix&, T&) beside T; numbers are std::int64_t or double");
    static ReadOutcome read(ReplyCursor& cursor, const KeyPrefix& prefix, T& out) {
        const RespType got = cursor.peek().type;
        ReplyCursor behind = cursor;
        behind.skip();
        ReadOutcome outcome = ReadOutcome::ok();
        try {
            outcome = read_reply(cursor, prefix, out);
        } catch (...) {
            outcome = ReadOutcome::mismatch("what its own reader takes", got);
        }
        cursor = behind;
        return outcome;
    }
};

template <class T>
requires(!HasReader<std::optional<T>>) struct UserReader<std::optional<T>> {
    static ReadOutcome read(ReplyCursor& cursor, const KeyPrefix& prefix, std::optional<T>& out) {
        out.reset();
        if (!cursor.peek().is_null()) return UserReader<T>::read(cursor, prefix, out.emplace());
        cursor.skip();
        return ReadOutcome::ok();
    }
};

template <class T>
requires(!HasReader<std::vector<T>>) struct UserReader<std::vector<T>> {
    static ReadOutcome read(ReplyCursor& cursor, const KeyPrefix& prefix, std::vector<T>& out) {
        ReplyCursor behind = cursor;
        behind.skip();
        const ReplyNode head = cursor.next();
        ReadOutcome outcome = ReadOutcome::ok();
        out.clear();
        if (head.type != RespType::array && head.type != RespType::set) outcome = ReadOutcome::mismatch("array", head);
        for (std::int64_t i = 0; outcome && i < head.integer; ++i) {
            outcome = UserReader<T>::read(cursor, prefix, out.emplace_back());
        }
        cursor = behind;
        return outcome;
    }
};

/// A reply whose keys have lost the prefix, as bytes to be read again. Empty, with the outcome, where it is not the
/// shape that its command has.
std::string strip_reply(ReplyCursor& cursor, const KeyPrefix& prefix, ReplyRule rule, ReadOutcome& outcome);

/// The reply of a command that was given as words, read as a `T`.
template <class T>
class UserReply {
public:
    using value_type = T;
    explicit UserReply(ReplyRule rule) noexcept : rule_(rule) {}
    /// Keeps the reply: the application's reader runs where the caller takes it, not on the thread that reads the wire for
    /// others too, and not under its lock.
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) {
        ReadOutcome outcome = ReadOutcome::ok();
        frame_ = strip_reply(cursor, prefix, rule_, outcome);
        return outcome;
    }
    void fail(std::uint32_t, const Error&) {}  // one command fails as a whole
    result<T> take() {
        T value{};
        ReplyCursor cursor(frame_);
        const ReadOutcome outcome = UserReader<T>::read(cursor, KeyPrefix(), value);
        if (!outcome) return error_of_shape(outcome);
        return value;
    }

private:
    ReplyRule rule_;
    std::string frame_;
};

}  // namespace service
}  // namespace redoubt
