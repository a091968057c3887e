// admin: who may ask what: the token, the Host header, requests that a foreign page makes. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "admin/http_message.hpp"

namespace redoubt::admin {

/// What is wrong with a token, or nullopt: 16 to 512 visible ASCII characters.
std::optional<std::string> check_token(std::string_view token);

/// `127.0.0.0/8`, `::1`, `localhost`.
bool is_loopback(std::string_view host) noexcept;

/// Decides before anything of a request but its head is read.
class Access {
public:
    /// Empty: no token is asked for, and only a Host that names this machine's loopback is answered, so that no page of
    /// a foreign site can read this endpoint by giving its own name this machine's address (DNS rebinding).
    explicit Access(std::string token) : token_(std::move(token)) {}

    /// Nullopt: it may go on. Else 400 (no Host, or several), 401 (`Authorization: Bearer TOKEN`, or Basic with the token
    /// as the password, which is what a browser can send, is missing or wrong), or 403 (a Host that is not ours; a
    /// request that changes something and comes from a page of another origin).
    std::optional<Response> refuse(const Request& request, bool needs_token) const;

    bool has_token() const noexcept { return !token_.empty(); }

private:
    bool is_authorized(const Request& request) const;
    std::string token_;
};

}  // namespace redoubt::admin
