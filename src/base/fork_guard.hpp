// base: fork: a child process must neither use nor disturb what belongs to its parent.
#pragma once

#include <atomic>
#include <cstdint>

#include <redoubt/base/error.hpp>

namespace redoubt::base {

/// Counts the forks that led to this process, from when the first watch was made. What remembers another number belongs
/// to a parent: its threads do not exist here, its mutexes may be locked for ever.
inline std::atomic<std::uint32_t> forks{0};
inline std::uint32_t process_generation() noexcept { return forks.load(std::memory_order_relaxed); }

/// Told of a fork, in the child. There it is the only thread, and any other may have stopped half-way: so it may store
/// to atomics, and nothing else.
class ForkWatch {
public:
    using Told = void (*)(void* owner) noexcept;
    /// The owner's last member, so that it is told only while it is whole.
    ForkWatch(void* owner, Told told);
    ~ForkWatch();
    ForkWatch(const ForkWatch&) = delete;
    ForkWatch& operator=(const ForkWatch&) = delete;

private:
    friend struct ForkRegistry;
    void* owner_;
    Told told_;
    ForkWatch* next_ = nullptr;
    ForkWatch* previous_ = nullptr;
};

/// A connection's descriptor. In a child it stands for a dead socket, so that whatever the child does with it, not a byte
/// goes to the parent's connection or is taken from it. To be given up before it is closed.
void guard_descriptor(int descriptor);
void unguard_descriptor(int descriptor) noexcept;

/// What a call in the child gets.
Error forked_error();

}  // namespace redoubt::base
