// bench: the C library's allocation functions, counted. Asio takes its blocks from aligned_alloc, so that counting
// operator new alone would miss them; operator new itself ends in malloc.
#include "support/allocations.hpp"

#include <atomic>
#include <cerrno>
#include <cstddef>

extern "C" {
// glibc's own, under the names that it keeps for replacements like these.
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* block, std::size_t size);
void* __libc_memalign(std::size_t alignment, std::size_t size);
}

namespace {
std::atomic<std::uint64_t> counted{0};
void count() noexcept { counted.fetch_add(1, std::memory_order_relaxed); }
}  // namespace

namespace bench {
std::uint64_t allocations() noexcept { return counted.load(std::memory_order_relaxed); }
}  // namespace bench

extern "C" {
void* malloc(std::size_t size) noexcept {
    count();
    return __libc_malloc(size);
}
void* calloc(std::size_t number, std::size_t size) noexcept {
    count();
    return __libc_calloc(number, size);
}
void* realloc(void* block, std::size_t size) noexcept {
    count();
    return __libc_realloc(block, size);
}
void* aligned_alloc(std::size_t alignment, std::size_t size) noexcept {
    count();
    return __libc_memalign(alignment, size);
}
int posix_memalign(void** block, std::size_t alignment, std::size_t size) noexcept {
    count();
    *block = __libc_memalign(alignment, size);
    return *block == nullptr ? ENOMEM : 0;
}
}
