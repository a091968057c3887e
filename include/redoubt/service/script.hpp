// service: a Lua script as an object.
#pragma once

#include <string>
#include <string_view>

namespace redoubt {

/// A script's source, and the name by which servers cache it: `redis.run<std::int64_t>(script, {"key"}, {"argument"})`.
/// It sees its keys in `KEYS` with the project's prefix, which it must use as they are given: any other key is another's,
/// and the server refuses it.
///
/// A script can reach keys that it does not declare, so only the server can confine it. It is refused unless the
/// configuration lists the project in `script_projects`, the project logs in as its own ACL user (`acl_users`), and the
/// server is patched against scripts that reach out of themselves (CVE-2025-46818, CVE-2025-67733); `development` may
/// `allow_unconfined_scripts`.
///
/// An error that a script ends with is `unknown`: it may have written before. Never retried; only one that the server has
/// not cached (it says NOSCRIPT, and SCRIPT EXISTS agrees) was certainly not run, and is sent again once behind SCRIPT
/// LOAD.
///
/// Immutable; any thread.
class Script {
public:
    /// `read_only`: it is run by EVALSHA_RO, which the server refuses to let write.
    explicit Script(std::string source, bool read_only = false);

    const std::string& source() const noexcept { return source_; }
    /// SHA-1 of the source in 40 hexadecimal digits, as SCRIPT LOAD answers.
    const std::string& sha1() const noexcept { return sha1_; }
    bool read_only() const noexcept { return read_only_; }

private:
    std::string source_;
    std::string sha1_;
    bool read_only_;
};

}  // namespace redoubt
