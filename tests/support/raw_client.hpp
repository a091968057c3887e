// tests: a tiny blocking RESP client that looks at a server past the library: what is really stored there.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "embedded/raw_connection.hpp"

#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt::testing {

/// Speaks RESP2 until the test sends HELLO 3. Every failure is an exception. For one thread.
class RawClient {
public:
    static RawClient unix_socket(const std::string& path, Duration timeout = 5s);
    static RawClient tcp(std::uint16_t port, Duration timeout = 5s);  ///< on 127.0.0.1
    /// Over the server's Unix socket.
    explicit RawClient(const EmbeddedServer& server);

    /// The reply byte for byte: `command({"GET", "k"})` gives `$1\r\nv\r\n`.
    std::string command(std::initializer_list<std::string_view> arguments);
    std::string command(const std::vector<std::string>& arguments);
    /// All strings and numbers of a reply, nulls as empty ones; throws on an error reply.
    std::vector<std::string> strings(std::initializer_list<std::string_view> arguments);
    /// The same in ascending order, for replies without an order of their own: KEYS, SMEMBERS.
    std::vector<std::string> sorted_strings(std::initializer_list<std::string_view> arguments);
    /// One field of INFO, such as `connected_clients`; empty when the server does not have it.
    std::string info(std::string_view field);

    void send(std::string_view bytes);  ///< as they are
    std::string read_frame();

private:
    explicit RawClient(embedded::RawConnection connection) : connection_(std::move(connection)) {}
    embedded::RawConnection connection_;
};

}  // namespace redoubt::testing
