// tests: the soak's gate: a TCP relay between the library and a real server that does to their connections, at random
// moments, what networks do.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>

namespace redoubt::soak {

/// On purpose wrong, to prove that the soak would notice.
enum class Sabotage : std::uint8_t {
    none,
    swap,    ///< exchanges two replies of one wire
    forget,  ///< deletes keys behind the callers' backs
    twice,   ///< increments counters behind the callers' backs
    stall,   ///< one caller never ends
};

struct GateOptions {
    std::string socket_path;  ///< of the server
    std::uint64_t seed = 1;
    bool faults = true;
    bool swap_replies = false;
};

/// Relays on a thread of its own until it is destroyed; the memory of a connection is bounded.
class Gate {
public:
    explicit Gate(const GateOptions& options);
    ~Gate();
    Gate(const Gate&) = delete;
    Gate& operator=(const Gate&) = delete;

    std::uint16_t port() const noexcept;
    std::uint64_t cuts() const noexcept;
    std::uint64_t pauses() const noexcept;
    std::uint64_t splits_and_merges() const noexcept;

private:
    class Relay;
    std::unique_ptr<Relay> relay_;
    std::thread thread_;
};

}  // namespace redoubt::soak
