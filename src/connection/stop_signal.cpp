// connection: the stop signal; see the header.
#include "connection/stop_signal.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

namespace redoubt::connection {

StopSignal::StopSignal() : fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
StopSignal::~StopSignal() {
    if (fd_ >= 0) ::close(fd_);
}
void StopSignal::stop() noexcept {
    if (stopped_.exchange(true, std::memory_order_acq_rel) || fd_ < 0) return;
    (void)::eventfd_write(fd_, 1);
}
void StopSignal::reset() noexcept {
    eventfd_t ignored = 0;
    if (fd_ >= 0) (void)::eventfd_read(fd_, &ignored);
    stopped_.store(false, std::memory_order_release);
}

}  // namespace redoubt::connection
