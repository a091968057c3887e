// service: reads the reply of one command as its C++ type.
#pragma once

#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/command.hpp>

namespace redoubt::service {

template <class Reply>
class TypedSink final : public ReplySink {
public:
    explicit TypedSink(typename Command<Reply>::Reader reader) noexcept : reader_(reader) {}
    ReadOutcome read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return reader_(cursor, prefix, value);
    }
    void fail(std::uint32_t, const Error&) override {}  // a single command fails as a whole

    Reply value{};

private:
    typename Command<Reply>::Reader reader_;
};

}  // namespace redoubt::service
