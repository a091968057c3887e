// pool: as which user of the server a pool's connections log in, where that is not the URL's, and dialing as one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <boost/asio/awaitable.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/base/result.hpp>

#include "connection/dialer.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

/// One user of the server, who may have to be made there first. Thread-safe. A connection keeps the user that it was
/// opened with for as long as it lives.
class Identity {
public:
    struct Login {
        std::string user;
        std::string password;
        std::uint64_t version = 0;  ///< counts the secrets; from 1
    };
    virtual ~Identity() = default;

    /// What to log in with now; nullopt: `prepare` has to come first. An error ends the dial.
    virtual result<std::optional<Login>> login() = 0;
    /// Has the user made at the server. `refused`: the version of a login that the server did not take; 0: none. `done`
    /// is called exactly once, from any thread, perhaps before this returns: nullopt, and then there is a `login`, or
    /// why there is none. It takes connection_timeout at most.
    using Done = std::function<void(std::optional<Error>)>;
    virtual void prepare(std::uint64_t refused, Done done) = 0;
};

/// Whoever the application's provider names, each time it is asked. Null without a provider.
std::shared_ptr<Identity> make_provided_identity(std::function<Credentials()> provider);

/// Opens a connection to the node as this user, or as the URL's when `identity` is null. A login that the server does
/// not take is prepared once more, because the server may have been restarted without its users.
connection::DialOutcome dial_as(const Node& node, Identity* identity, TimePoint until);
/// The same from a coroutine; both must outlive it.
boost::asio::awaitable<connection::DialOutcome> async_dial_as(const Node& node, Identity* identity, TimePoint until);

}  // namespace redoubt::pool
