// dispatch: confirmations of replicas; see the header.
#include "dispatch/acknowledgement.hpp"

#include <chrono>
#include <limits>
#include <string>

#include <fmt/format.h>

#include <redoubt/resp/reply.hpp>

namespace redoubt::dispatch {
namespace {

std::int64_t whole_milliseconds(Duration within) noexcept {
    return std::chrono::ceil<std::chrono::milliseconds>(within).count();
}

}  // namespace

std::optional<Error> Acknowledgement::refusal() const {
    if (!*this) return std::nullopt;
    if (wanted_.within <= Duration::zero()) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "replica_acks.within must be more than 0: WAIT takes 0 for a wait without end");
    }
    if (wanted_.within > std::chrono::hours(24)) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "replica_acks.within must be at most 24 hours");
    }
    constexpr auto most = static_cast<std::uint32_t>(std::numeric_limits<std::int32_t>::max());
    if (wanted_.replicas > most) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                         "replica_acks.replicas must be at most 2147483647");
    }
    return std::nullopt;
}

char* Acknowledgement::encode(char* out) const noexcept {
    if (!*this) return out;
    const std::int64_t replicas = wanted_.replicas;
    const std::int64_t within = whole_milliseconds(wanted_.within);
    return fmt::format_to(out, "*3\r\n$4\r\nWAIT\r\n${}\r\n{}\r\n${}\r\n{}\r\n", fmt::formatted_size("{}", replicas),
                          replicas, fmt::formatted_size("{}", within), within);
}

std::optional<Error> Acknowledgement::shortfall(std::string_view frame) const {
    const ReplyNode reply = ReplyCursor(frame).next();
    if (reply.is_error()) {
        return Error::with_detail(
            ErrorKind::server, Certainty::applied, Stage::reply,
            fmt::format("executed, but WAIT, which was to confirm it on replicas, was refused: {}", reply.text));
    }
    std::int64_t confirmed = -1;
    if (reply.type == RespType::integer) confirmed = reply.integer;
    if (confirmed < 0) {
        return Error::of(ErrorKind::reply_type, Certainty::applied, Stage::reply,
                         "executed, but the answer to WAIT, which was to confirm it on replicas, is no number");
    }
    if (confirmed >= std::int64_t{wanted_.replicas}) return std::nullopt;
    return Error::with_detail(
        ErrorKind::timeout, Certainty::applied, Stage::reply,
        fmt::format("executed by the master, but only {} of {} replicas confirmed it within {} ms", confirmed,
                    wanted_.replicas, whole_milliseconds(wanted_.within)));
}

Error executed_unconfirmed(const Error& error) {
    Error told = error;
    told.certainty = Certainty::applied;
    return told;
}

}  // namespace redoubt::dispatch
