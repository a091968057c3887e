// service: the parts of the clients that are no templates.
#include <redoubt/service/client.hpp>

#include <algorithm>

#include <fmt/format.h>

#include "isolation/raw_command.hpp"

namespace redoubt {

ReadOutcome service::RawReply::read(std::uint32_t, ReplyCursor& cursor, const KeyPrefix& prefix) {
    return isolation::read_raw_reply(cursor, prefix, rule_, value_);
}

result<Value> ProjectIsolatedRedisClient::try_command(std::span<const std::string_view> words) const {
    return handle_.project->run_raw(words, handle_.options());
}

Error ProjectIsolatedRedisClient::not_found(std::string_view operation, std::string_view key) const {
    constexpr std::size_t shown = 128;
    return handle_.project->refusal(
        Error::with_detail(
            ErrorKind::key_not_found, Certainty::applied, Stage::reply,
            fmt::format("there is no key {:?}", fmt::string_view(key.data(), std::min(key.size(), shown)))),
        operation);
}

std::string ProjectIsolatedRedisClient::get_required(std::string_view key) const {
    std::optional<std::string> value = get(key);
    if (!value) raise(not_found("GET", key));
    return std::move(*value);
}

std::string ProjectIsolatedRedisClient::hget_required(std::string_view key, std::string_view field) const {
    std::optional<std::string> value = hget(key, field);
    if (!value) raise(not_found("HGET", key));
    return std::move(*value);
}

}  // namespace redoubt
