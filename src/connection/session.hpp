// connection: the pure machine of opening one connection: resolve, connect to each address, TLS, handshake. It
// takes events and returns what to do next; a driver does it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>

#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>

#include "resp/scanner.hpp"

namespace redoubt::connection {

/// What a connection is opened with.
struct SessionSettings {
    Target target;
    Protocol protocol = Protocol::automatic;
    std::string client_name;
    ReplyLimits reply_limits;
    bool read_only = false;  ///< to a replica in a Cluster, to read there: it says READONLY
};

/// What the driver is to do next.
struct SessionAction {
    enum class Kind : std::uint8_t {
        resolve,  ///< look the host up
        connect,  ///< to address number `index`
        start_tls,
        send,  ///< `output()`, then read
        read,
        ready,  ///< the connection may be used
        fail,   ///< `error()` says why
    };
    Kind kind = Kind::fail;
    std::size_t index = 0;
    friend bool operator==(const SessionAction&, const SessionAction&) = default;
};
std::ostream& operator<<(std::ostream& out, const SessionAction& action);

/// Opens one connection. Every address is tried before it fails; a server that answers the handshake with an
/// error ends it at once, because another address of the same name would say the same.
class Session {
public:
    explicit Session(const SessionSettings& settings);

    SessionAction start();
    SessionAction on_resolved(std::size_t addresses);
    SessionAction on_resolve_failed(std::string_view why);
    SessionAction on_connected();
    SessionAction on_connect_failed(std::string_view why);
    SessionAction on_tls_ready();
    SessionAction on_tls_failed(std::string_view why);
    /// More bytes of the handshake's answers.
    SessionAction on_bytes(std::string_view bytes);
    /// The peer closed, or reading or writing failed.
    SessionAction on_lost(std::string_view why);
    SessionAction on_timeout();

    /// The handshake commands to send; with credentials, so never to be logged.
    std::string_view output() const noexcept { return output_; }
    const Error& error() const noexcept { return error_; }
    /// 2 or 3, after `ready`.
    int protocol() const noexcept { return protocol_; }

private:
    enum class Step : std::uint8_t { idle, resolving, connecting, tls, hello, resp2, done };

    SessionAction next_address(ErrorKind kind, std::string_view why);
    SessionAction begin_handshake();
    SessionAction begin_resp2();
    void append_common();
    SessionAction fail(ErrorKind kind, Stage stage, std::string text);
    SessionAction on_reply(std::string_view frame);
    SessionAction on_error_reply(std::string_view text);

    // The commands under way, in the order of their answers.
    enum class Sent : std::uint8_t { hello, auth, set_name, select, read_only };

    SessionSettings settings_;
    resp::ReplyScanner scanner_;
    Step step_ = Step::idle;
    std::size_t addresses_ = 0;
    std::size_t address_ = 0;
    std::string failures_;  // of the addresses tried
    std::string output_;
    std::string input_;
    Sent sent_[5]{};
    std::size_t sent_count_ = 0;
    std::size_t answered_ = 0;
    int protocol_ = 2;
    Error error_;
};

}  // namespace redoubt::connection
