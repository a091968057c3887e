// admin: access; see the header.
#include "admin/access.hpp"

#include <algorithm>
#include <array>
#include <stdexcept>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <boost/asio/ip/address.hpp>

#include "base/text_values.hpp"

namespace redoubt::admin {
namespace {

constexpr std::size_t shortest_token = 16;
constexpr std::size_t longest_token = 512;

/// Takes the same time wherever the two differ, and whatever their lengths are: their hashes are compared.
bool same_secret(std::string_view left, std::string_view right) {
    using Hash = std::array<unsigned char, SHA256_DIGEST_LENGTH>;
    const auto hash = [](std::string_view text) {
        Hash out{};
        if (EVP_Digest(text.data(), text.size(), out.data(), nullptr, EVP_sha256(), nullptr) != 1) {
            throw std::runtime_error("OpenSSL has no SHA-256");
        }
        return out;
    };
    const Hash a = hash(left);
    const Hash b = hash(right);
    return CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

/// Standard base64; nullopt for anything else.
std::optional<std::string> decode_base64(std::string_view text) {
    if (text.empty() || text.size() % 4 != 0 || text.size() > 4096) return std::nullopt;
    std::string out(text.size() / 4 * 3, '\0');
    const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()),         // NOLINT: OpenSSL's bytes
                                     reinterpret_cast<const unsigned char*>(text.data()),  // NOLINT
                                     static_cast<int>(text.size()));
    if (size < 0) return std::nullopt;
    std::size_t padding = 0;
    while (padding < 2 && text[text.size() - 1 - padding] == '=') ++padding;
    out.resize(static_cast<std::size_t>(size) - padding);
    return out;
}

/// `localhost:8080` without its port, `[::1]:80` without that and its brackets.
std::string_view host_of(std::string_view authority) noexcept {
    if (authority.starts_with('[')) {
        const std::size_t end = authority.find(']');
        return end == std::string_view::npos ? std::string_view() : authority.substr(1, end - 1);
    }
    return authority.substr(0, authority.find(':'));
}

bool changes_something(std::string_view method) noexcept { return method != "GET" && method != "HEAD"; }

/// A browser says from where a request comes; other clients say nothing.
bool is_cross_origin(const Request& request, std::string_view host) {
    if (const std::string* site = request.header("Sec-Fetch-Site")) {
        if (*site != "same-origin" && *site != "none") return true;
    }
    const std::string* origin = request.header("Origin");
    if (origin == nullptr) return false;
    const std::size_t scheme = origin->find("://");
    return scheme == std::string::npos || std::string_view(*origin).substr(scheme + 3) != host;
}

}  // namespace

std::optional<std::string> check_token(std::string_view token) {
    const bool visible = std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c <= '~'; });
    if (visible && token.size() >= shortest_token && token.size() <= longest_token) return std::nullopt;
    return "must be 16 to 512 visible ASCII characters without spaces";
}

bool is_loopback(std::string_view host) noexcept {
    if (base::equals_ignoring_case(host, "localhost")) return true;
    boost::system::error_code error;
    const auto address = boost::asio::ip::make_address(host, error);
    return !error && address.is_loopback();
}

bool Access::is_authorized(const Request& request) const {
    const std::string* header = request.header("Authorization");
    if (header == nullptr) return false;
    const std::string_view given = *header;
    const std::size_t space = std::min(given.find(' '), given.size());
    const std::string_view scheme = given.substr(0, space);
    const std::string_view rest = given.substr(std::min(space + 1, given.size()));
    if (base::equals_ignoring_case(scheme, "Bearer")) return same_secret(rest, token_);
    if (!base::equals_ignoring_case(scheme, "Basic")) return false;
    const auto pair = decode_base64(rest);
    if (!pair) return false;
    const std::size_t colon = pair->find(':');
    return colon != std::string::npos && same_secret(std::string_view(*pair).substr(colon + 1), token_);
}

std::optional<Response> Access::refuse(const Request& request, bool needs_token) const {
    const auto hosts = std::count_if(request.headers.begin(), request.headers.end(),
                                     [](const auto& one) { return base::equals_ignoring_case(one.first, "Host"); });
    if (hosts > 1) return Response::problem(400, "bad_request", "the request has more than one Host header");
    const std::string* host = request.header("Host");
    const std::string_view authority = host == nullptr ? std::string_view() : std::string_view(*host);
    // A browser always names a host; what names none (HTTP/1.0) is none.
    if (!has_token() && host != nullptr && !is_loopback(host_of(authority))) {
        return Response::problem(403, "host_not_allowed",
                                 "without REDOUBT_ADMIN_TOKEN only localhost, 127.0.0.0/8 and [::1] are answered to as "
                                 "Host, so that no foreign page can read this endpoint under a name of its own");
    }
    if (has_token() && needs_token && !is_authorized(request)) {
        return Response::problem(401, "unauthorized",
                                 "this needs REDOUBT_ADMIN_TOKEN: Authorization: Bearer TOKEN, or Basic with the token "
                                 "as the password")
            .with("WWW-Authenticate", "Bearer realm=\"redoubt\"")
            .with("WWW-Authenticate", "Basic realm=\"redoubt\", charset=\"UTF-8\"");
    }
    if (changes_something(request.method) && is_cross_origin(request, authority)) {
        return Response::problem(403, "cross_origin", "a page of another origin may not change anything here");
    }
    return std::nullopt;
}

}  // namespace redoubt::admin
