// connection: name resolution that nobody has to wait for: getaddrinfo runs on a detached thread, and a
// descriptor becomes readable when it is done.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "connection/transport.hpp"

namespace redoubt::connection {

/// One look-up. Destroying it abandons the look-up: the thread ends by itself and touches only what it shares.
class Resolution {
public:
    /// Literal addresses are done at once, without a thread.
    Resolution(const std::string& host, std::uint16_t port);
    ~Resolution();
    Resolution(const Resolution&) = delete;
    Resolution& operator=(const Resolution&) = delete;

    /// Readable when done.
    int fd() const noexcept;
    bool done() const noexcept;
    /// After `done`: every address, in the system's order; empty: see `error_text`.
    const std::vector<Address>& addresses() const noexcept;
    const std::string& error_text() const noexcept;

private:
    struct Shared;
    std::shared_ptr<Shared> shared_;
};

}  // namespace redoubt::connection
