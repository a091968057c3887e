// dispatch: WAIT behind the commands of a call, which its caller wants confirmed by replicas.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include <redoubt/dispatch/call.hpp>
#include <redoubt/resp/command.hpp>

namespace redoubt::dispatch {

/// Of one call. A plain value.
class Acknowledgement {
public:
    Acknowledgement() = default;
    /// None where nobody asked for it, or where nothing is written.
    Acknowledgement(const ReplicaAcks& wanted, RetryCategory category) noexcept {
        if (wanted.replicas != 0 && category != RetryCategory::read_only) wanted_ = wanted;
    }
    explicit operator bool() const noexcept { return wanted_.replicas != 0; }
    /// What is wrong with what the caller wants; nullopt: nothing.
    std::optional<Error> refusal() const;

    /// How long the server may hold the connection for it, on top of the commands' own time.
    Duration block_time() const noexcept { return *this ? wanted_.within : Duration::zero(); }
    /// Zero where there is none.
    std::size_t encoded_bound() const noexcept { return *this ? longest : 0; }
    char* encode(char* out) const noexcept;
    /// Of the reply to WAIT, which comes after all others: why the call does not succeed; nullopt: enough have confirmed.
    std::optional<Error> shortfall(std::string_view frame) const;

private:
    static constexpr std::size_t longest = 64;  // both numbers with all their digits
    ReplicaAcks wanted_;
};

/// The connection was lost, or the time was over, when all replies but WAIT's had come.
Error executed_unconfirmed(const Error& error);

}  // namespace redoubt::dispatch
