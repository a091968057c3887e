// base: fork; see the header.
#include "base/fork_guard.hpp"

#include <mutex>
#include <vector>

#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::base {

// Its mutex is held while the process forks, so that the child finds the lists whole. Never destroyed: connections may
// be closed by destructors of other static objects.
struct ForkRegistry {
    ForkRegistry() { ::pthread_atfork(&before, &in_parent, &in_child); }

    static ForkRegistry& get() {
        static ForkRegistry& registry = *new ForkRegistry;
        return registry;
    }
    static void before() { get().mutex.lock(); }
    static void in_parent() { get().mutex.unlock(); }
    static void in_child() {
        ForkRegistry& registry = get();
        forks.fetch_add(1, std::memory_order_relaxed);
        for (ForkWatch* watch = registry.first; watch != nullptr; watch = watch->next_) watch->told_(watch->owner_);
        registry.kill_descriptors();
        registry.mutex.unlock();
    }

    // Only system calls: nothing is allocated here.
    void kill_descriptors() noexcept {
        int pair[2] = {-1, -1};
        const bool made = ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) == 0;
        for (std::size_t i = 0; i != guarded.size(); ++i) {
            if (!guarded[i]) continue;
            const int descriptor = static_cast<int>(i);
            // Without a descriptor to spare its number is given up, which is worse, but still not the parent's socket.
            if (!made || ::dup3(pair[0], descriptor, O_CLOEXEC) < 0) ::close(descriptor);
        }
        if (!made) return;
        ::close(pair[0]);
        ::close(pair[1]);
    }

    std::mutex mutex;
    ForkWatch* first = nullptr;
    std::vector<bool> guarded;  // by number
};

ForkWatch::ForkWatch(void* owner, Told told) : owner_(owner), told_(told) {
    ForkRegistry& registry = ForkRegistry::get();
    const std::lock_guard lock(registry.mutex);
    next_ = registry.first;
    if (next_ != nullptr) next_->previous_ = this;
    registry.first = this;
}

ForkWatch::~ForkWatch() {
    ForkRegistry& registry = ForkRegistry::get();
    const std::lock_guard lock(registry.mutex);
    (previous_ != nullptr ? previous_->next_ : registry.first) = next_;
    if (next_ != nullptr) next_->previous_ = previous_;
}

void guard_descriptor(int descriptor) {
    ForkRegistry& registry = ForkRegistry::get();
    const std::lock_guard lock(registry.mutex);
    const auto at = static_cast<std::size_t>(descriptor);
    if (registry.guarded.size() <= at) registry.guarded.resize(at + 1);
    registry.guarded[at] = true;
}

void unguard_descriptor(int descriptor) noexcept {
    ForkRegistry& registry = ForkRegistry::get();
    const std::lock_guard lock(registry.mutex);
    const auto at = static_cast<std::size_t>(descriptor);
    if (at < registry.guarded.size()) registry.guarded[at] = false;
}

Error forked_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission,
                     "this process was forked from the one that initialized the service, whose connections are not its "
                     "own: close() and initialize() the service here");
}

}  // namespace redoubt::base
