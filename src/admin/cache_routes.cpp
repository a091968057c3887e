// admin: the original's API example, and its extension to any key of a project; see routes.hpp.
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <openssl/evp.h>
#include <boost/asio/awaitable.hpp>

#include <redoubt/base/exceptions.hpp>
#include <redoubt/service/client.hpp>

#include "admin/problem.hpp"
#include "admin/routes.hpp"
#include "base/text_values.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
namespace json = boost::json;

bool is_utf8(std::string_view text) noexcept {
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t more = lead < 0x80                   ? 0
                                 : lead >= 0xc2 && lead < 0xe0 ? 1
                                 : lead >= 0xe0 && lead < 0xf0 ? 2
                                                               : 3;
        if (lead >= 0x80 && (lead < 0xc2 || lead > 0xf4)) return false;
        if (text.size() - i <= more) return false;
        for (std::size_t k = 1; k <= more; ++k) {
            const auto byte = static_cast<unsigned char>(text[i + k]);
            // The second byte also rules out what is written longer than needed, surrogates, and what is past U+10FFFF.
            const unsigned low = k == 1 && lead == 0xe0 ? 0xa0 : k == 1 && lead == 0xf0 ? 0x90 : 0x80;
            const unsigned high = k == 1 && lead == 0xed ? 0x9f : k == 1 && lead == 0xf4 ? 0x8f : 0xbf;
            if (byte < low || byte > high) return false;
        }
        i += more + 1;
    }
    return true;
}

std::string base64(std::string_view bytes) {
    std::string out((bytes.size() + 2) / 3 * 4 + 1, '\0');
    const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),          // NOLINT: OpenSSL's bytes
                                     reinterpret_cast<const unsigned char*>(bytes.data()),  // NOLINT
                                     static_cast<int>(bytes.size()));
    out.resize(static_cast<std::size_t>(size));
    return out;
}

Response too_large(std::int64_t size, std::size_t limit) {
    return Response::problem(
        413, "value_too_large",
        fmt::format("the value has {} bytes, and this endpoint passes on at most {}", size, limit));
}

Response missing(std::string_view key_of) {
    return Response::problem(404, word_of(ErrorKind::key_not_found), fmt::format("{} has no such key", key_of));
}

/// What was found under a key, or the answer to give instead.
struct Found {
    std::optional<std::string> value;
    std::optional<Response> instead;
};

/// Looks at the size first: a value of the server's 512 MB must not come into this process.
asio::awaitable<Found> read_value(const AsyncProjectRedisClient& redis, std::string_view key, std::size_t limit) {
    Found found;
    const std::int64_t size = co_await redis.strlen(key);
    if (size > static_cast<std::int64_t>(limit)) {
        found.instead = too_large(size, limit);
        co_return found;
    }
    found.value = co_await redis.get(key);
    co_return found;
}

/// Nullopt: for ever. A problem where the query says anything else than one good `ttl`.
std::optional<Response> read_ttl(const Request& request, std::optional<std::chrono::milliseconds>& ttl) {
    for (const auto& [name, value] : request.query) {
        if (name != "ttl" || ttl) {
            return Response::problem(400, "bad_query",
                                     fmt::format("PUT takes one parameter, ttl; not \"{}\"{}", base::escaped(name),
                                                 ttl ? " besides it" : ""));
        }
        const auto duration = base::parse_duration(value);
        if (duration) ttl = std::chrono::duration_cast<std::chrono::milliseconds>(*duration);
        if (!duration || ttl->count() <= 0) {
            return Response::problem(400, "bad_query",
                                     fmt::format("ttl=\"{}\" must be seconds (90, 1.5) or have a unit (250ms, 30s, 5m, "
                                                 "1h), and at least 1 ms",
                                                 base::escaped(value)));
        }
    }
    return std::nullopt;
}

asio::awaitable<Response> get_cached_data(RedisService& service, std::size_t limit, Request request) {
    const std::string project(request.field("project_id"));
    const auto redis = service.get_connection(project).async();
    Found found = co_await read_value(redis, "project:" + project + ":data", limit);
    if (found.instead) co_return std::move(*found.instead);
    if (!found.value) co_return Response::json(200, {{"cached_data", nullptr}});
    if (is_utf8(*found.value)) co_return Response::json(200, {{"cached_data", *found.value}});
    co_return Response::json(200, {{"cached_data", base64(*found.value)}, {"encoding", "base64"}});
}

asio::awaitable<Response> get_value(RedisService& service, std::size_t limit, Request request) {
    const auto redis = service.get_connection(request.field("project_id")).async();
    Found found = co_await read_value(redis, request.field("key"), limit);
    if (found.instead) co_return std::move(*found.instead);
    if (!found.value) co_return missing(request.field("project_id"));
    co_return Response::text(200, "application/octet-stream", std::move(*found.value))
        .with("Content-Disposition", "attachment");
}

asio::awaitable<Response> put_value(RedisService& service, Request request) {
    SetOptions options;
    if (auto bad = read_ttl(request, options.px)) co_return std::move(*bad);
    const auto redis = service.get_connection(request.field("project_id")).async();
    co_await redis.set(request.field("key"), request.body, options);
    Response done;
    done.status = 204;
    co_return done;
}

asio::awaitable<Response> delete_value(RedisService& service, Request request) {
    const auto redis = service.get_connection(request.field("project_id")).async();
    const auto deleted = co_await redis.del(request.field("key"));
    if (deleted == 0) co_return missing(request.field("project_id"));
    Response done;
    done.status = 204;
    co_return done;
}

}  // namespace

void add_cache_routes(Router& router, RedisService& service, std::size_t max_value_bytes) {
    const std::size_t limit = max_value_bytes;
    router.add({"GET", "/projects/{project_id}/cache",
                [&service, limit](Request request) { return get_cached_data(service, limit, std::move(request)); }});
    const std::string one = "/projects/{project_id}/cache/{key}";
    router.add(
        {"GET", one, [&service, limit](Request request) { return get_value(service, limit, std::move(request)); }});
    router.add({"PUT", one, [&service](Request request) { return put_value(service, std::move(request)); }});
    router.add({"DELETE", one, [&service](Request request) { return delete_value(service, std::move(request)); }});
}

}  // namespace redoubt::admin
