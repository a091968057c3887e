// topology: redirects; see the header.
#include "topology/redirect.hpp"

#include "base/text_values.hpp"
#include "topology/slot.hpp"

namespace redoubt::topology {

std::optional<Redirect> parse_redirect(std::string_view error, const NodeAddress& asked) {
    Redirect redirect;
    if (error.starts_with("MOVED ")) {
        error.remove_prefix(6);
    } else if (error.starts_with("ASK ")) {
        redirect.kind = Redirect::Kind::ask;
        error.remove_prefix(4);
    } else {
        return std::nullopt;
    }
    const auto space = error.find(' ');
    if (space == std::string_view::npos) return std::nullopt;
    const auto slot = base::parse_unsigned<std::uint16_t>(error.substr(0, space));
    const std::string_view place = error.substr(space + 1, error.find(' ', space + 1) - space - 1);
    // The last colon: an IPv6 address has others, with brackets or without.
    const auto colon = place.rfind(':');
    if (!slot || *slot >= slot_count || colon == std::string_view::npos) return std::nullopt;
    const auto port = base::parse_unsigned<std::uint16_t>(place.substr(colon + 1));
    if (!port || *port == 0) return std::nullopt;
    std::string_view host = place.substr(0, colon);
    if (host.size() > 2 && host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
    redirect.slot = *slot;
    // "?": the node has been told to announce a name and has none.
    redirect.to = {host.empty() || host == "?" ? asked.host : std::string(host), *port};
    return redirect;
}

}  // namespace redoubt::topology
