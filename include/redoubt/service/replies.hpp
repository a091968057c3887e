// service: where the replies of a call become C++ values: of one command, of several of different types, of many of
// one type. Each has `read` and `fail` for the wire and `take` for the caller: the value, or a result where the value
// can be missing though the call succeeded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
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
        at(index, [&](auto reader, auto& slot) { outcome = reader(cursor, prefix, *slot); });
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
        return readers_[index](cursor, prefix, *slots_[index]);
    }
    void fail(std::uint32_t index, const Error& error) { slots_[index] = error; }
    value_type&& take() { return std::move(slots_); }

private:
    std::vector<Reader<Reply>> readers_;
    value_type slots_;
};

/// All of them, or the first failure.
template <class Reply>
class AllVectorReplies : public VectorReplies<Reply> {
public:
    using value_type = std::vector<Reply>;
    using VectorReplies<Reply>::VectorReplies;

    result<value_type> take() {
        auto&& slots = VectorReplies<Reply>::take();
        value_type values;
        values.reserve(slots.size());
        for (auto& slot : slots) {
            if (!slot) return slot.error();
            values.push_back(std::move(*slot));
        }
        return values;
    }
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

private:
    Replies& replies_;
};

}  // namespace redoubt::service
