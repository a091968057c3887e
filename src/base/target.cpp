// base: a URL taken apart into what it names and the options it sets, with everything that is wrong with it.
#include <algorithm>
#include <limits>

#include <fmt/format.h>
#include <boost/url/encode.hpp>
#include <boost/url/ipv4_address.hpp>
#include <boost/url/ipv6_address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>
#include <boost/url/url_view.hpp>

#include "base/target_url.hpp"
#include "base/text_values.hpp"

namespace redoubt {

namespace {

std::string host_and_port(const std::string& host, std::uint16_t port) {
    if (host.find(':') != std::string::npos) return fmt::format("[{}]:{}", host, port);
    return fmt::format("{}:{}", host, port);
}

bool is_local_host(const std::string& host) {
    if (base::equals_ignoring_case(host, "localhost")) return true;
    // Parsed, because a name such as `127.example.com` is no loopback address.
    if (const auto v4 = boost::urls::parse_ipv4_address(host)) return v4->is_loopback();
    if (const auto v6 = boost::urls::parse_ipv6_address(host)) return v6->is_loopback();
    return false;
}

}  // namespace

std::string Target::endpoint() const {
    if (scheme == Scheme::unix_socket) return path;
    if (deployment == Deployment::sentinel) return master_name;
    return host_and_port(host, port);
}

bool Target::is_local() const {
    if (scheme == Scheme::unix_socket) return true;
    if (seeds.empty()) return is_local_host(host);
    return std::all_of(seeds.begin(), seeds.end(), [](const Seed& seed) { return is_local_host(seed.host); });
}

std::string to_string(const Target& target) {
    std::string credentials;
    if (!target.user.empty() || !target.password.empty())
        credentials = fmt::format("{}{}@", boost::urls::encode(target.user, boost::urls::unreserved_chars),
                                  target.password.empty() ? "" : ":***");
    if (target.deployment != Deployment::standalone) {
        std::string hosts;
        for (const Target::Seed& seed : target.seeds)
            hosts += fmt::format("{}{}", hosts.empty() ? "" : ",", host_and_port(seed.host, seed.port));
        if (target.deployment == Deployment::cluster) return fmt::format("redis+cluster://{}{}/", credentials, hosts);
        return fmt::format("redis+sentinel://{}{}/{}?master={}", credentials, hosts, target.database,
                           target.master_name);
    }
    switch (target.scheme) {
        case Target::Scheme::unix_socket:
            return fmt::format("unix://{}{}?db={}", credentials, target.path, target.database);
        case Target::Scheme::tls:
            return fmt::format("rediss://{}{}/{}", credentials, target.endpoint(), target.database);
        case Target::Scheme::tcp: break;
    }
    return fmt::format("redis://{}{}/{}", credentials, target.endpoint(), target.database);
}

}  // namespace redoubt

namespace redoubt::base {

namespace {

namespace urls = boost::urls;

constexpr std::uint16_t default_port = 6379;
constexpr std::uint16_t default_sentinel_port = 26379;
/// The server counts its databases in an int.
constexpr std::uint32_t max_database = std::numeric_limits<std::int32_t>::max();
/// `sun_path` of Linux without its final zero.
constexpr std::size_t max_socket_path = 107;
constexpr std::size_t max_shown = 200;

constexpr std::string_view forms =
    "redis://[[user]:password@]host[:port][/db], rediss:// the same, unix://[[user]:password@]/path[?db=n], "
    "redis+sentinel://[[user]:password@]host[:port],host[:port]/[db]?master=NAME, or "
    "redis+cluster://[[user]:password@]host[:port],host[:port]/; "
    "characters such as @ : / ? # % in a user or password percent-encoded";

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

std::string to_std(urls::string_view text) { return {text.data(), text.size()}; }

bool is_digits(std::string_view text) noexcept { return std::all_of(text.begin(), text.end(), is_digit); }

/// `host:port,host:port`: nothing in it that could be a secret.
bool are_hosts(std::string_view list) noexcept {
    for (;;) {
        const std::string_view one = list.substr(0, list.find(','));
        const auto colon = one.rfind(':');
        if (colon == 0 ||
            (colon != std::string_view::npos && (one.size() - colon > 6 || !is_digits(one.substr(colon + 1)))))
            return false;
        if (one.size() == list.size()) return true;
        list.remove_prefix(one.size() + 1);
    }
}

/// Collects what is wrong with one URL.
class UrlParser {
public:
    explicit UrlParser(std::string_view url) : url_(url) {}

    ParsedUrl parse() {
        const auto scheme_end = url_.find("://");
        if (scheme_end == std::string_view::npos) return refuse(forms);
        const auto scheme = url_.substr(0, scheme_end);
        const auto is = [&](std::string_view name) { return equals_ignoring_case(scheme, name); };
        if (is("rediss+sentinel") || is("rediss+cluster"))
            return refuse("redis+sentinel:// or redis+cluster://; TLS with them is not built yet");
        if (is("redis+sentinel"))
            target_.deployment = Deployment::sentinel;
        else if (is("redis+cluster"))
            target_.deployment = Deployment::cluster;
        else if (is("rediss"))
            target_.scheme = Target::Scheme::tls;
        else if (is("unix"))
            target_.scheme = Target::Scheme::unix_socket;
        else if (!is("redis"))
            return refuse(forms);

        if (target_.deployment == Deployment::standalone) {
            read(url_, scheme_end + 3, true);
        } else {
            read_seeds(scheme_end + 3);
        }
        if (valid_) result_.target = std::move(target_);
        return std::move(result_);
    }

private:
    ParsedUrl refuse(std::string_view allowed) {
        bad_url(allowed);
        return std::move(result_);
    }

    void bad_url(std::string_view allowed) {
        valid_ = false;
        result_.problems.push_back({"url (REDIS_URL)", mask_url(url_), std::string{allowed}});
    }

    /// The parser of URLs does not know lists of hosts, so each is read as if it were the only one.
    void read_seeds(std::size_t authority) {
        const auto end = std::min(url_.find_first_of("/?#", authority), url_.size());
        std::string_view hosts = url_.substr(authority, end - authority);
        const auto at = hosts.rfind('@');
        const std::string_view user = at == std::string_view::npos ? std::string_view() : hosts.substr(0, at + 1);
        hosts.remove_prefix(user.size());
        for (;;) {
            const auto comma = hosts.find(',');
            constexpr std::string_view scheme = "redis://";
            const std::string one = fmt::format("{}{}{}{}", scheme, user, hosts.substr(0, comma), url_.substr(end));
            read(one, scheme.size(), target_.seeds.empty());
            if (!valid_) return;
            Target::Seed seed{target_.host, target_.port};
            if (std::find(target_.seeds.begin(), target_.seeds.end(), seed) != target_.seeds.end())
                return bad_url("each host once");
            target_.seeds.push_back(std::move(seed));
            if (comma == std::string_view::npos) break;
            hosts.remove_prefix(comma + 1);
        }
        target_.host = target_.seeds.front().host;
        target_.port = target_.seeds.front().port;
        if (target_.deployment == Deployment::cluster && target_.database != 0)
            return bad_url("database 0: a Cluster has no other");
        if (target_.deployment == Deployment::sentinel && target_.master_name.empty())
            bad_url(
                "?master=NAME, the name by which the Sentinels know the master: "
                "redis+sentinel://host:port,host:port/db?master=NAME");
    }

    /// A URL with one host, or with a socket. `whole`: with what belongs to all of its hosts.
    void read(std::string_view text, std::size_t authority, bool whole) {
        auto parsed = urls::parse_uri(urls::string_view{text.data(), text.size()});
        std::string respelled;
        if (parsed && stops_inside_the_host(*parsed)) {
            const auto host = authority + parsed->encoded_userinfo().size() + (parsed->has_userinfo() ? 1 : 0);
            respelled = fmt::format("{}%{:02X}{}", text.substr(0, host), text[host], text.substr(host + 1));
            parsed = urls::parse_uri(urls::string_view{respelled});
        }
        if (!parsed) return bad_url(forms);
        const bool on_socket = target_.scheme == Target::Scheme::unix_socket;
        // A raw `/`, `?` or `#` in a password ends the host early and leaves its rest in what follows.
        if (!on_socket && to_std(parsed->encoded_resource()).find('@') != std::string::npos) return bad_url(forms);
        if (parsed->has_fragment()) return bad_url("no # part; # in a password is written %23");

        if (on_socket)
            read_socket(*parsed);
        else
            read_host(*parsed);
        if (!whole) return;
        target_.user = parsed->user();
        target_.password = parsed->password();
        if (!on_socket) read_path(*parsed);
        read_options(*parsed);
    }

    /// Boost 1.81 reads `10.0.0.1.nip.io` as an IPv4 address with a path behind it. With its first digit
    /// percent-encoded it cannot take the name for an address.
    static bool stops_inside_the_host(const urls::url_view& url) {
        const auto path = url.encoded_path();
        return url.host_type() == urls::host_type::ipv4 && !path.empty() && path.front() != '/';
    }

    void read_socket(const urls::url_view& url) {
        if (!url.host().empty() || url.has_port()) return bad_url("unix:///path, with three slashes and no host");
        target_.path = url.path();
        if (target_.path.size() < 2 || target_.path.front() != '/' || target_.path.find('\0') != std::string::npos)
            return bad_url("unix:///path with an absolute path");
        if (target_.path.size() > max_socket_path)
            bad_url(fmt::format("a socket path of at most {} bytes", max_socket_path));
    }

    void read_host(const urls::url_view& url) {
        switch (url.host_type()) {
            case urls::host_type::ipv6: target_.host = url.host_ipv6_address().to_string(); break;
            case urls::host_type::ipv4:
            case urls::host_type::name: target_.host = url.host(); break;
            case urls::host_type::ipvfuture:
            case urls::host_type::none: break;
        }
        const auto in_a_name = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                   c == '_';
        };
        const bool is_ipv6 = url.host_type() == urls::host_type::ipv6;
        if (target_.host.empty() || target_.host.size() > 253 ||
            (!is_ipv6 && !std::all_of(target_.host.begin(), target_.host.end(), in_a_name)))
            bad_url("a host: a name, an IPv4 address or an [IPv6] address");

        const std::uint16_t usual = target_.deployment == Deployment::sentinel ? default_sentinel_port : default_port;
        target_.port = usual;
        if (const auto port = to_std(url.port()); !port.empty()) {
            const auto number = parse_unsigned<std::uint16_t>(port);
            if (!number || *number == 0) bad_url("a port, 1 to 65535");
            target_.port = number.value_or(usual);
        }
    }

    void read_path(const urls::url_view& url) {
        const std::string path = url.path();
        if (path.empty() || path == "/") return;
        database_from_path_ = true;
        read_database(std::string_view{path}.substr(1));
    }

    void read_database(std::string_view text) {
        const auto number = parse_unsigned<std::uint32_t>(text);
        if (!number || *number > max_database) return bad_url(fmt::format("a database, 0 to {}", max_database));
        target_.database = *number;
    }

    void read_options(const urls::url_view& url) {
        urls::encoding_opts opts;
        opts.space_as_plus = false;
        std::vector<std::string> seen;
        for (const auto option : url.params(opts)) {
            const bool again = std::find(seen.begin(), seen.end(), option.key) != seen.end();
            if (again) {
                result_.problems.push_back({shown_option(option.key), "", "an option given once"});
                continue;
            }
            seen.push_back(option.key);
            if (option.key == "master" && target_.deployment == Deployment::sentinel) {
                read_master_name(option.value);
            } else if (option.key != "db") {
                result_.options.emplace_back(option.key, option.value);
            } else if (database_from_path_) {
                bad_url("the database once, as /db or as ?db=");
            } else {
                read_database(option.value);
            }
        }
    }

    /// What a Sentinel's configuration takes.
    void read_master_name(const std::string& name) {
        const auto allowed = [](char c) {
            return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
                   c == '_';
        };
        target_.master_name = name;
        if (!std::all_of(name.begin(), name.end(), allowed))
            result_.problems.push_back({"URL option master", name, "letters, digits, and . - _"});
    }

    /// An option that is none may be the rest of a password.
    static std::string shown_option(std::string_view name) {
        return find_setting(name) || name == "db" || name == "master" ? fmt::format("URL option {}", name)
                                                                      : "URL option";
    }

    std::string_view url_;
    Target target_;
    bool valid_ = true;
    bool database_from_path_ = false;
    ParsedUrl result_;
};

}  // namespace

ParsedUrl parse_url(std::string_view url) { return UrlParser{url}.parse(); }

std::string mask_url(std::string_view url) {
    std::string out;
    std::string_view rest = url;
    if (const auto scheme_end = rest.find("://"); scheme_end != std::string_view::npos) {
        out = rest.substr(0, scheme_end + 3);
        rest.remove_prefix(scheme_end + 3);
    }
    // The last `@`, because a raw one may be part of the password.
    if (const auto at = rest.rfind('@'); at != std::string_view::npos) {
        const auto user = rest.substr(0, std::min(at, rest.find(':')));
        // A lone word before `@` is more often a password than a user.
        if (user.size() < at && user.find_first_of("/?#") == std::string_view::npos) {
            out += user;
            out += ':';
        }
        out += "***@";
        rest.remove_prefix(at + 1);
    } else if (const auto colon = rest.find(':'); colon != std::string_view::npos && !rest.starts_with('[')) {
        // `redis://:secret`, its host forgotten: what follows the colon is no port.
        const auto port = rest.substr(colon + 1, rest.find_first_of("/?#", colon) - colon - 1);
        const bool is_port = out.find('+') == std::string::npos ? port.size() <= 5 && is_digits(port)
                                                                : are_hosts(rest.substr(0, rest.find_first_of("/?#")));
        if (colon == 0 || !is_port) {
            out += rest.substr(0, colon);
            out += ":***";
            rest = {};
        }
    }
    const auto options = rest.find_first_of("?#");
    out += rest.substr(0, options);
    if (options != std::string_view::npos) out += "?...";
    if (out.size() > max_shown) out.replace(max_shown, std::string::npos, "...");
    return out;
}

}  // namespace redoubt::base
