// tests: what lies on the server beside the fuzzed project: keys of others, of another database, and subscribers, whose
// contents hold a random mark; and whether all of it is still as it was.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "embedded/raw_connection.hpp"

#include "link.hpp"

namespace redoubt::isolation_fuzz {

inline constexpr std::string_view own_prefix = "proj:fuzz:";

class Keyspace {
public:
    Keyspace(const std::string& socket_path, std::string mark);

    /// In every foreign value, and in the names of keys and channels that nobody can know.
    const std::string& mark() const noexcept { return mark_; }
    std::size_t canaries() const noexcept { return canaries_.size(); }

    /// Everything as at the beginning: the project's keys, those of others, and no others.
    void restore();
    /// The project's own keys as at the beginning.
    void restore_own();
    /// What of the others' has changed, one a line; removes the project's own keys.
    std::vector<std::string> changes();

private:
    struct Canary {
        bool other_database;
        std::string name;
        std::string dump;
        std::string expiry;
    };

    std::string ask(bool other_database, std::initializer_list<std::string_view> words);
    /// One key of each kind under each name that the grammar knows.
    void plant(bool other_database, std::string_view prefix, std::string_view content);
    void plant_key(bool other_database, char kind, const std::string& name, std::string_view content);
    void remember(bool other_database, std::string_view prefix);
    void remove_own();

    std::string mark_;
    embedded::RawConnection first_;
    embedded::RawConnection second_;
    Link subscriber_;
    std::vector<Canary> canaries_;
    std::string key_count_;
    std::string other_key_count_;
};

}  // namespace redoubt::isolation_fuzz
