// embedded: the owner's side of the supervisor: starts it, asks it, ends it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <sys/types.h>

#include <redoubt/base/clock.hpp>

#include "embedded/supervisor.hpp"

namespace redoubt::embedded {

/// One supervisor. Not thread-safe. All waits are bounded.
class SupervisorLink {
public:
    /// Starts the supervisor, not yet the server. From here on `directory` is removed with it.
    SupervisorLink(const std::string& program, const std::vector<std::string>& arguments, const std::string& directory,
                   const std::string& log);
    /// Ends the server and waits until the supervisor is gone, and with it the folder.
    ~SupervisorLink();
    SupervisorLink(const SupervisorLink&) = delete;
    SupervisorLink& operator=(const SupervisorLink&) = delete;

    SupervisorReply start();
    SupervisorReply status();
    /// Sends `number` to the server and waits until it is in `until`, or gone.
    /// @throws RedisOperationTimeoutException when that does not happen in time
    SupervisorReply signal(int number, Phase until, Duration patience);
    /// Waits until the server ends; nullopt when it still runs at `until`.
    std::optional<SupervisorReply> wait_for_end(TimePoint until);

private:
    void send(SupervisorRequest request);
    std::optional<SupervisorReply> receive(TimePoint until);
    SupervisorReply ask(SupervisorRequest request, Duration patience);

    int control_ = -1;
    pid_t supervisor_ = 0;
    pid_t owner_ = 0;
    std::uint32_t last_id_ = 0;
    bool waits_for_end_ = false;  // the last request was `wait_for_end`, and is not answered
};

}  // namespace redoubt::embedded
