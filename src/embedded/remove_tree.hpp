// embedded: removes a folder with everything in it, using nothing that is unsafe after fork.
#pragma once

namespace redoubt::embedded {

/// Removes `path`; symbolic links are removed, not followed. Async-signal-safe: no allocation, no locks.
/// Returns whether nothing is left; a folder that was not there counts as removed.
bool remove_tree(const char* path) noexcept;

}  // namespace redoubt::embedded
