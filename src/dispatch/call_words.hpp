// dispatch: what a watched call is told to be: its name, and its commands in words that hold no value.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <redoubt/base/telemetry.hpp>

#include "dispatch/request.hpp"

namespace redoubt::dispatch {

/// See CallText.
std::string redacted(std::string_view encoded, std::size_t most);

/// Of bytes that are there.
class EncodedText final : public CallText {
public:
    explicit EncodedText(std::string_view encoded) noexcept : encoded_(encoded) {}
    std::string redacted(std::size_t most) const override { return dispatch::redacted(encoded_, most); }

private:
    std::string_view encoded_;
};

/// Of what would be encoded.
class RequestText final : public CallText {
public:
    explicit RequestText(const Request& request) noexcept : request_(request) {}
    std::string redacted(std::size_t most) const override;

private:
    const Request& request_;
};

}  // namespace redoubt::dispatch
