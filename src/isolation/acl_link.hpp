// isolation: the administrator's connection to one node: commands as they are, outside every project.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include <redoubt/base/result.hpp>
#include <redoubt/resp/value.hpp>

#include "connection/dialer.hpp"
#include "connection/stop_signal.hpp"

namespace redoubt::isolation {

using connection::StopSignal;

/// For one thread at a time, which waits. Connects when it is first used, and again after the connection was lost.
class AclLink {
public:
    AclLink(connection::SessionSettings session, std::shared_ptr<const connection::TlsContext> tls,
            Duration connection_timeout, std::shared_ptr<const StopSignal> stop);

    using Words = std::vector<std::string>;
    /// Sends all as one piece, and returns the replies in their order; an error reply is one of them. What goes wrong
    /// with the connection is the error, which names no argument.
    result<std::vector<Value>> exchange(const std::vector<Words>& commands, TimePoint deadline);
    /// What the server calls its commands (COMMAND LIST); asked for once a connection.
    result<std::vector<std::string>> known_commands(TimePoint deadline);
    const std::string& endpoint() const noexcept { return endpoint_; }

private:
    std::optional<Error> connect(TimePoint deadline);
    /// False: the time is over, or it was stopped.
    bool wait(int fd, short events, TimePoint until) const;
    result<std::vector<Value>> exchange_once(const std::vector<Words>& commands, TimePoint deadline);
    Error lost(ErrorKind kind, std::string why);

    connection::SessionSettings session_;
    std::shared_ptr<const connection::TlsContext> tls_;
    Duration connection_timeout_;
    std::shared_ptr<const StopSignal> stop_;
    std::string endpoint_;
    connection::Transport transport_;
    std::vector<std::string> known_;
};

}  // namespace redoubt::isolation
