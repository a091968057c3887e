// embedded: removes a folder with everything in it, using nothing that is unsafe after fork.
#include "embedded/remove_tree.hpp"

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace redoubt::embedded {
namespace {

constexpr int max_depth = 16;   // a server's folder has two levels
constexpr int max_passes = 16;  // deleting while reading may skip an entry

// The kernel's record (getdents64): inode, offset, length, type, name. readdir would allocate.
constexpr std::size_t length_offset = 16;
constexpr std::size_t name_offset = 19;

bool is_dot(const char* name) noexcept { return std::strcmp(name, ".") == 0 || std::strcmp(name, "..") == 0; }

void remove_contents(int folder, int depth) noexcept;

void remove_entry(int folder, const char* name, int depth) noexcept {
    if (::unlinkat(folder, name, 0) == 0 || (errno != EISDIR && errno != EPERM) || depth == 0) return;
    const int inner = ::openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (inner < 0) return;
    remove_contents(inner, depth - 1);
    ::close(inner);
    ::unlinkat(folder, name, AT_REMOVEDIR);
}

void remove_contents(int folder, int depth) noexcept {
    alignas(8) char records[2048];
    for (int pass = 0; pass < max_passes; ++pass) {
        bool found = false;
        ::lseek(folder, 0, SEEK_SET);
        for (;;) {
            const long size = ::syscall(SYS_getdents64, folder, records, sizeof records);
            if (size <= 0) break;
            for (long at = 0; at < size;) {
                std::uint16_t length = 0;
                std::memcpy(&length, records + at + length_offset, sizeof length);
                const char* name = records + at + name_offset;
                if (!is_dot(name)) {
                    found = true;
                    remove_entry(folder, name, depth);
                }
                at += length;
            }
        }
        if (!found) return;
    }
}

}  // namespace

bool remove_tree(const char* path) noexcept {
    const int folder = ::open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0) return errno == ENOENT;
    remove_contents(folder, max_depth);
    ::close(folder);
    return ::rmdir(path) == 0 || errno == ENOENT;
}

}  // namespace redoubt::embedded
