// tests: what is done to the server of the chaos, and when it is back: kills, stops, pauses, restarts. Its sequence comes
// from a seed.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/redoubt.hpp>

#include "support/random.hpp"

namespace redoubt::chaos {

enum class ServerFault : std::uint8_t {
    kill,          ///< SIGKILL, and started again after a time
    restart,       ///< SIGTERM, and started again after a time
    stop,          ///< SIGSTOP, and SIGCONT after a time
    client_pause,  ///< CLIENT PAUSE of all commands, or of writes
    client_kill,   ///< CLIENT KILL of one connection
    all_clients_kill,
};
constexpr std::size_t server_fault_kinds = static_cast<std::size_t>(ServerFault::all_clients_kill) + 1;
std::string_view to_string(ServerFault fault) noexcept;

/// The sequence of faults, without end; a pure function of its seed.
class ServerSchedule {
public:
    struct Step {
        ServerFault fault = ServerFault::kill;
        std::uint32_t gap_ms = 0;  ///< between the end of the one before and this
        std::uint32_t milliseconds = 0;
        std::uint32_t pick = 0;
    };
    explicit ServerSchedule(std::uint64_t seed) : random_(seed ^ 0x5eed'5e27'e200'0000u) {}
    Step next();

private:
    testing::Random random_;
};
std::string to_string(const ServerSchedule::Step& step);

/// Does it to a server, one after the other, and measures how long callers need to find it again.
class Villain {
public:
    Villain(EmbeddedServer& server, RedisService& observed, std::uint64_t seed)
        : server_(server), observed_(observed), schedule_(seed) {}

    /// Until that time; afterwards the server runs, and answers everybody.
    void run_until(TimePoint end);

    std::uint64_t injected(ServerFault fault) const noexcept { return injected_[static_cast<std::size_t>(fault)]; }
    /// From the first PONG after each restart until a call of `observed` succeeds.
    const std::vector<Duration>& recoveries() const noexcept { return recoveries_; }

    /// How often the server was slow to answer others too while a recovery was measured: then it begins anew.
    std::uint64_t slow_answers() const noexcept { return slow_answers_; }
    /// The last error of the worst recovery.
    const std::string& why_worst() const noexcept { return why_worst_; }

private:
    void perform(const ServerSchedule::Step& step);
    void come_back();

    EmbeddedServer& server_;
    RedisService& observed_;
    ServerSchedule schedule_;
    std::array<std::uint64_t, server_fault_kinds> injected_{};
    std::vector<Duration> recoveries_;
    std::uint64_t slow_answers_ = 0;
    std::string why_worst_;
};

/// Waits until the server answers PING with PONG. @throws std::runtime_error when it does not within 60 s
TimePoint wait_for_pong(const EmbeddedServer& server);

/// Without the one that asks.
std::size_t connections_of(const EmbeddedServer& server);

}  // namespace redoubt::chaos
