// tests: the fault gate: a relay between the library and a real server that does to their connections what networks do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "support/fault_schedule.hpp"

namespace redoubt::testing {

struct FaultGateOptions {
    std::string server_socket;      ///< Unix socket of the server; empty: `server_port` on 127.0.0.1
    std::uint16_t server_port = 0;  ///< see above
    std::string listen_socket;      ///< listens on this Unix socket; empty: on a free port of 127.0.0.1
    FaultPlan plan;                 ///< injected by itself, by the clock; empty: only what `inject` says
    std::uint64_t seed = 1;         ///< of the plan's schedule
    bool swap_replies = false;      ///< a sabotage: now and then exchanges two replies of one connection
};

/// Relays on a thread of its own until it is destroyed; the memory of a connection is bounded. Thread-safe.
class FaultGate {
public:
    explicit FaultGate(const FaultGateOptions& options);
    ~FaultGate();
    FaultGate(const FaultGate&) = delete;
    FaultGate& operator=(const FaultGate&) = delete;

    std::uint16_t port() const noexcept;  ///< 0 on a Unix socket
    std::string url() const;
    /// Does it to the connections that exist now, or to the one that it picks. When it returns, it is done.
    void inject(const Fault& fault);
    /// Tells the library on each connection something that the server did not say.
    void say(std::string_view bytes);
    /// The plan is over, and what was held back goes on.
    void calm();

    std::uint64_t injected(FaultKind kind) const noexcept;  ///< those of the plan that met a connection, and the others
    std::uint64_t accepted() const noexcept;                ///< connections so far
    std::size_t connections() const noexcept;               ///< now
    std::uint64_t received() const noexcept;                ///< bytes of the library so far

private:
    class Relay;
    std::unique_ptr<Relay> relay_;
    std::thread thread_;
};

}  // namespace redoubt::testing
