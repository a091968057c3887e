// service: where the replies of a call become C++ values: of one command, of several of different types, of many of
// one type. Each has `read` and `fail` for the wire and `take` for the caller: the value, or a result where the value
// can be missing though the call succeeded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <redoubt/base/result.hpp>
#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/command.hpp>
#include <redoubt/resp/value.hpp>

namespace redoubt::service {

template <class Reply>
using Reader = typename Command<Reply>::Reader;

/// The first error among some results.
template <class... Results>
std::optional<Error> first_failure(const Results&... results) {
    std::optional<Error> first;
    const auto look = [&](const auto& one) {
        if (!first && !one) first = one.error();
    };
    (look(results), ...);
    return first;
}

/// The string in which a reader of plain strings would put a reply, made ready for `size` bytes; nullptr for every other
/// reader, and every other type.
std::string* ready_for(Reader<std::string> reader, std::string& value, std::size_t size);
std::string* ready_for(Reader<std::optional<std::string>> reader, std::optional<std::string>& value, std::size_t size);
template <class Reply>
std::string* ready_for(Reader<Reply>, Reply&, std::size_t) {
    return nullptr;
}

/// What `ReplySink::long_string` says for some replies: those that keep strings say where.
template <class Replies>
std::string* long_string_of(Replies& replies, std::uint32_t index, std::size_t size) {
    if constexpr (requires { replies.long_string(index, size); }) {
        return replies.long_string(index, size);
    } else {
        return nullptr;
    }
}

/// What `ReplySink::inner_error` says for some replies.
template <class Replies>
std::optional<Error> inner_error_of(const Replies& replies) {
    if constexpr (requires { replies.inner_error(); }) {
        return replies.inner_error();
    } else {
        return std::nullopt;
    }
}

/// One command.
template <class Reply>
class SingleReply {
public:
    using value_type = Reply;
    explicit SingleReply(Reader<Reply> reader) noexcept : reader_(reader) {}
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) {
        return reader_(cursor, prefix, value_);
    }
    void fail(std::uint32_t, const Error&) {}  // one command fails as a whole
    std::string* long_string(std::uint32_t, std::size_t size) { return ready_for(reader_, value_, size); }
    Reply&& take() { return std::move(value_); }

private:
    Reader<Reply> reader_;
    Reply value_{};
};

/// One command given as words.
class RawReply {
public:
    using value_type = Value;
    explicit RawReply(ReplyRule rule) noexcept : rule_(rule) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix);
    void fail(std::uint32_t, const Error&) {}
    Value&& take() { return std::move(value_); }

private:
    ReplyRule rule_;
    Value value_;
};

/// Several commands, each with its own type and its own success.
template <class... Replies>
class TupleReplies {
public:
    using value_type = std::tuple<result<Replies>...>;
    explicit TupleReplies(std::tuple<Reader<Replies>...> readers) noexcept : readers_(readers) {}

    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) {
        ReadOutcome outcome = ReadOutcome::ok();
        at(index, [&]<class Slot>(auto reader, Slot& slot) {
            if (!slot) slot = Slot();  // an earlier attempt ended behind an error here
            outcome = reader(cursor, prefix, *slot);
        });
        return outcome;
    }
    void fail(std::uint32_t index, const Error& error) {
        at(index, [&](auto, auto& slot) { slot = error; });
    }
    value_type&& take() { return std::move(slots_); }

private:
    template <class Visit>
    void at(std::uint32_t index, Visit visit) {
        [&]<std::size_t... I>(std::index_sequence<I...>) {
            (void)((I == index ? (visit(std::get<I>(readers_), std::get<I>(slots_)), true) : false) || ...);
        }
        (std::index_sequence_for<Replies...>{});
    }

    std::tuple<Reader<Replies>...> readers_;
    value_type slots_;
};

/// The same for callers who want all or an exception: the first failure is the outcome.
template <class... Replies>
class AllReplies : public TupleReplies<Replies...> {
public:
    using value_type = std::tuple<Replies...>;
    using TupleReplies<Replies...>::TupleReplies;

    result<value_type> take() {
        auto&& slots = TupleReplies<Replies...>::take();
        return std::apply(
            [](auto&... slot) -> result<value_type> {
                if (const std::optional<Error> failed = first_failure(slot...)) return *failed;
                return value_type(std::move(*slot)...);
            },
            slots);
    }
};

/// Any number of commands of one type.
template <class Reply>
class VectorReplies {
public:
    using value_type = std::vector<result<Reply>>;
    explicit VectorReplies(std::vector<Reader<Reply>>&& readers)
        : readers_(std::move(readers)), slots_(readers_.size()) {}

    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) {
        if (!slots_[index]) slots_[index] = result<Reply>();  // an earlier attempt ended behind an error here
        return readers_[index](cursor, prefix, *slots_[index]);
    }
    void fail(std::uint32_t index, const Error& error) { slots_[index] = error; }
    value_type&& take() { return std::move(slots_); }

private:
    std::vector<Reader<Reply>> readers_;
    value_type slots_;
};

/// All of them, or the first failure. The values are put where the caller will find them: of a million replies none is
/// moved again on the thread that reads for the others too.
template <class Reply>
class AllVectorReplies {
public:
    using value_type = std::vector<Reply>;
    explicit AllVectorReplies(std::vector<Reader<Reply>>&& readers)
        : readers_(std::move(readers)), values_(readers_.size()) {}

    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) {
        if (index == 0) failed_.reset();  // of an earlier attempt
        if constexpr (std::is_same_v<Reply, bool>) {
            bool value = false;
            const ReadOutcome outcome = readers_[index](cursor, prefix, value);
            values_[index] = value;
            return outcome;
        } else {
            return readers_[index](cursor, prefix, values_[index]);
        }
    }
    void fail(std::uint32_t index, const Error& error) {
        if (index == 0 || !failed_) failed_ = error;
    }
    result<value_type> take() {
        if (failed_) return *failed_;
        return std::move(values_);
    }

private:
    std::vector<Reader<Reply>> readers_;
    value_type values_;
    std::optional<Error> failed_;
};

/// Lends replies to a blocking call.
template <class Replies>
class SinkOf final : public ReplySink {
public:
    explicit SinkOf(Replies& replies) noexcept : replies_(replies) {}
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return replies_.read(index, cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override { replies_.fail(index, error); }
    std::string* long_string(std::uint32_t index, std::size_t size) override {
        return long_string_of(replies_, index, size);
    }
    std::optional<Error> inner_error() const override { return inner_error_of(replies_); }

private:
    Replies& replies_;
};

}  // namespace redoubt::service
