// otel: what of a call goes into attributes; see the header.
#include "otel/attributes.hpp"

#include <algorithm>
#include <charconv>

#include "otel/names.hpp"

namespace redoubt::otel {
namespace {

// What redis-server 7 and valkey-server 8 answer with, sorted.
constexpr std::array<std::string_view, 32> known_prefixes{
    "ASK",       "BUSY",        "BUSYGROUP",  "BUSYKEY",      "CLUSTERDOWN", "CROSSSLOT",  "DENIED",     "ERR",
    "EXECABORT", "INPROG",      "INVALIDOBJ", "IOERR",        "LOADING",     "MASTERDOWN", "MISCONF",    "MOVED",
    "NOAUTH",    "NOGOODSLAVE", "NOGROUP",    "NOMASTERLINK", "NOPERM",      "NOPROTO",    "NOREPLICAS", "NOSCRIPT",
    "NOTBUSY",   "OOM",         "READONLY",   "TRYAGAIN",     "UNBLOCKED",   "UNKILLABLE", "WRONGPASS",  "WRONGTYPE"};
static_assert(std::is_sorted(known_prefixes.begin(), known_prefixes.end()));

}  // namespace

Server server_of(std::string_view endpoint) noexcept {
    const std::size_t colon = endpoint.rfind(':');
    if (endpoint.starts_with('/') || colon == std::string_view::npos) return {endpoint, 0};
    Server server{endpoint.substr(0, colon), 0};
    const std::string_view digits = endpoint.substr(colon + 1);
    std::from_chars(digits.data(), digits.data() + digits.size(), server.port);
    if (server.address.starts_with('[') && server.address.ends_with(']')) {
        server.address = server.address.substr(1, server.address.size() - 2);
    }
    return server;
}

void add_server(Attributes& attributes, std::string_view endpoint) noexcept {
    if (endpoint.empty()) return;
    const Server server = server_of(endpoint);
    attributes.add(attribute::address, server.address);
    if (server.port != 0) attributes.add(attribute::port, server.port);
}

std::string operation_name(const CallInfo& call) {
    if (call.each.empty()) return std::string(call.operation);
    if (call.commands == 1) return std::string(call.each);
    std::string name(call.operation);
    name += ' ';
    name += call.each;
    return name;
}

std::string_view status_code(const Error& error) noexcept {
    const std::string_view prefix = error.prefix();
    const auto found = std::lower_bound(known_prefixes.begin(), known_prefixes.end(), prefix);
    return found != known_prefixes.end() && *found == prefix ? *found : std::string_view();
}

std::string_view error_type(const Error& error) noexcept {
    const std::string_view code = status_code(error);
    return code.empty() ? to_string(error.kind) : code;
}

std::string_view error_text(const Error& error) noexcept { return error.detail ? error_type(error) : error.text; }

}  // namespace redoubt::otel
