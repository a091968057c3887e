// embedded: what a server needs around it: its program, its folder, its configuration file, its log.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt::embedded {

/// The path of `program`, or of the first server there is when it is empty.
/// @throws RedisConfigurationException naming the install line
std::string find_server_program(const std::string& program);

/// A new folder of mode 0700 under TMPDIR, or under /tmp where TMPDIR is too deep for a socket's address.
std::string make_server_directory();

struct ServerPorts {
    std::uint16_t tcp = 0;
    std::uint16_t tls = 0;
};

/// The text of the configuration file. A file, because everybody can read the arguments of a process, and
/// the password is among the settings.
std::string server_configuration(const EmbeddedServerOptions& options, const std::string& directory,
                                 const std::string& socket, const std::string& log, ServerPorts ports);
/// Writes it, readable by the owner alone.
void write_private_file(const std::string& path, std::string_view text);

/// The last lines of the log, joined to one, with the password masked; says so when there is none.
std::string end_of_log(const std::string& path, std::string_view password);

/// `%XX` for every byte that is not unreserved (RFC 3986) and not in `also`.
std::string percent_encode(std::string_view text, std::string_view also = {});

/// A loopback port that stays ours: bound and never listened on, so that nobody else is given it, while a
/// server (which sets SO_REUSEADDR, as we do) may bind and listen on it, as often as it is restarted.
class PortReservation {
public:
    PortReservation();
    ~PortReservation();
    PortReservation(PortReservation&& other) noexcept;
    PortReservation& operator=(PortReservation&& other) noexcept;
    std::uint16_t port() const noexcept { return port_; }

private:
    int fd_ = -1;
    std::uint16_t port_ = 0;
};

}  // namespace redoubt::embedded
