// connection: makes threads that wait at sockets look up.
#pragma once

#include <atomic>

namespace redoubt::connection {

/// Thread-safe.
class StopSignal {
public:
    StopSignal();
    ~StopSignal();
    StopSignal(const StopSignal&) = delete;
    StopSignal& operator=(const StopSignal&) = delete;
    void stop() noexcept;
    /// Those who come from now on may wait again.
    void reset() noexcept;
    bool stopped() const noexcept { return stopped_.load(std::memory_order_acquire); }
    /// Readable once it is stopped; -1 when the system gave none.
    int fd() const noexcept { return fd_; }

private:
    int fd_;
    std::atomic<bool> stopped_{false};
};

}  // namespace redoubt::connection
