// isolation: whether a project may run scripts on its server.
#pragma once

#include <optional>

#include <boost/asio/awaitable.hpp>

#include <redoubt/base/clock.hpp>
#include <redoubt/base/error.hpp>

namespace redoubt::isolation {

/// Asked before each script. Thread-safe.
class ScriptGate {
public:
    virtual ~ScriptGate() = default;
    /// Why it may not run; nullopt: it may. Asks the server for its version now and then, until the deadline.
    virtual std::optional<Error> refusal(TimePoint deadline) = 0;
    virtual boost::asio::awaitable<std::optional<Error>> async_refusal(TimePoint deadline) = 0;
};

}  // namespace redoubt::isolation
