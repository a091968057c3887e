// embedded: the process between an owner and its server. It outlives neither: when the owner is gone, even
// Terminals, pipes and threads of the owner are none of its business: it leaves them all.
// by SIGKILL, it kills the server and removes the folder.
#pragma once

#include <cstdint>
#include <type_traits>

#include <sys/types.h>

namespace redoubt::embedded {

enum class Phase : std::uint8_t { none, running, stopped };

/// What the owner sends: one packet each on a SOCK_SEQPACKET pair. A new request replaces one that waits.
struct SupervisorRequest {
    enum class Op : std::uint8_t {
        start,   ///< start the server; answered at once
        signal,  ///< send `signal`, then answer as `wait` does
        wait,    ///< answer when the server is in phase `until`, or gone
        status,  ///< answer at once
        end,     ///< kill the server, remove the folder, exit; not answered
    };
    std::uint32_t id = 0;
    Op op = Op::status;
    Phase until = Phase::none;
    std::int32_t signal = 0;
};

/// What the supervisor answers: exactly one packet a request that was not replaced.
struct SupervisorReply {
    std::uint32_t id = 0;
    Phase phase = Phase::none;
    std::int32_t pid = 0;          ///< 0 in `none`
    std::int32_t exit_code = 0;    ///< of the last server that ended by exit
    std::int32_t exit_signal = 0;  ///< of the last server that ended by a signal, else 0
    std::int32_t error = 0;        ///< errno when a start or a signal failed
};
static_assert(std::is_trivially_copyable_v<SupervisorRequest> && std::is_trivially_copyable_v<SupervisorReply>);

/// Everything the supervisor needs, prepared before fork: it must not allocate, since another thread of the
/// owner may have held any lock at that moment.
struct SupervisorPlan {
    const char* program = nullptr;    ///< path of the server
    char* const* argv = nullptr;      ///< null-terminated
    const char* directory = nullptr;  ///< removed in the end
    const char* log = nullptr;        ///< file that gets what the server prints
    int control = -1;                 ///< its end of the pair
    pid_t owner = 0;
};

/// Runs in the child right after fork, with all signals blocked. Async-signal-safe throughout.
[[noreturn]] void run_supervisor(const SupervisorPlan& plan) noexcept;

}  // namespace redoubt::embedded
