// bench: counts every allocation of the program that links allocations.cpp: operator new, malloc and Asio's aligned
// blocks alike.
#pragma once

#include <cstdint>

namespace bench {

/// Since the program began, on all threads.
std::uint64_t allocations() noexcept;

}  // namespace bench
