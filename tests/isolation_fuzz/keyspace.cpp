// tests: canaries; see the header.
#include "keyspace.hpp"

#include <chrono>
#include <stdexcept>

#include "grammar.hpp"

namespace redoubt::isolation_fuzz {
namespace {

constexpr std::chrono::seconds patience{30};
/// A number, so that its lists can be sorted.
constexpr std::string_view own_content = "4";
/// Of database 0. The first is that of a client that forgets the prefix.
constexpr std::array<std::string_view, 4> foreign_prefixes{"", "proj:other:", "proj:fuz:", "proj:fuzz2:"};
constexpr std::array<std::string_view, 2> prefixes_elsewhere{"", own_prefix};

std::string name_of(std::string_view prefix, const KeyKind& kind, unsigned number) {
    return std::string(prefix) + kind.letter + std::to_string(number);
}

}  // namespace

Keyspace::Keyspace(const std::string& socket_path, std::string mark)
    : mark_(std::move(mark)),
      first_(embedded::RawConnection::to_unix_socket(socket_path, patience)),
      second_(embedded::RawConnection::to_unix_socket(socket_path, patience)),
      subscriber_(socket_path) {
    ask(true, {"SELECT", "1"});
    std::string subscribe;
    std::size_t count = 0;
    const auto add = [&](std::initializer_list<std::string_view> words) {
        subscribe += embedded::encode_command({words.begin(), words.size()});
        ++count;
    };
    for (const std::string_view prefix : foreign_prefixes) {
        for (const std::string_view channel : channels) {
            add({"SUBSCRIBE", std::string(prefix) + std::string(channel)});
            add({"SSUBSCRIBE", std::string(prefix) + std::string(channel)});
        }
        add({"SUBSCRIBE", std::string(prefix) + mark_});
        add({"SSUBSCRIBE", std::string(prefix) + mark_});
    }
    add({"PSUBSCRIBE", "proj:other:*"});
    subscriber_.exchange(subscribe, count, [](std::string_view) {});
    restore();
}

std::string Keyspace::ask(bool other_database, std::initializer_list<std::string_view> words) {
    return (other_database ? second_ : first_).exchange({words.begin(), words.size()});
}

void Keyspace::plant_key(bool other_database, char kind, const std::string& name, std::string_view content) {
    std::vector<std::string> replies;
    const auto run = [&](std::initializer_list<std::string_view> words) {
        replies.push_back(ask(other_database, words));
    };
    switch (kind) {
        case 's': run({"SET", name, content}); break;
        case 'l': run({"RPUSH", name, "1", "2", "3", content}); break;
        case 't': run({"SADD", name, "1", "2", "m1", content}); break;
        case 'z': run({"ZADD", name, "1", "m1", "2", "m2", "3", content}); break;
        case 'h': run({"HSET", name, "f1", content, "f2", "2", "1", "m1"}); break;
        case 'x':
            run({"XADD", name, "1-1", "f1", content});
            run({"XADD", name, "2-1", "f2", content});
            run({"XGROUP", "CREATE", name, "grp", "0"});
            run({"XGROUP", "CREATE", name, "STREAMS", "0"});
            break;
        case 'g':
            run({"GEOADD", name, "13.361389", "38.115556", "Palermo", "15.087269", "37.502669", "Catania", "14", "38",
                 content});
            break;
        case 'p': run({"PFADD", name, "1", "2", content}); break;
        default: throw std::logic_error("no such kind of key");
    }
    for (const std::string& reply : replies) {
        if (reply[0] == '-') throw std::runtime_error("a canary cannot be made: " + reply);
    }
}

void Keyspace::plant(bool other_database, std::string_view prefix, std::string_view content) {
    for (const KeyKind& kind : key_kinds) {
        for (unsigned number = 1; number <= keys_of_a_kind; ++number) {
            plant_key(other_database, kind.letter, name_of(prefix, kind, number), content);
        }
    }
}

void Keyspace::remember(bool other_database, std::string_view prefix) {
    const auto add = [&](const std::string& name, bool expires) {
        if (expires) ask(other_database, {"PEXPIREAT", name, "4102444800000"});
        canaries_.push_back(
            {other_database, name, ask(other_database, {"DUMP", name}), ask(other_database, {"PEXPIRETIME", name})});
    };
    for (const KeyKind& kind : key_kinds) {
        for (unsigned number = 1; number <= keys_of_a_kind; ++number) {
            add(name_of(prefix, kind, number), number == 2);
        }
    }
    if (!other_database) add(std::string(prefix) + mark_, false);
}

void Keyspace::restore() {
    ask(false, {"FLUSHALL"});
    canaries_.clear();
    for (const std::string_view prefix : foreign_prefixes) {
        plant(false, prefix, mark_);
        plant_key(false, 's', std::string(prefix) + mark_, mark_);
        remember(false, prefix);
    }
    for (const std::string_view prefix : prefixes_elsewhere) {
        plant(true, prefix, mark_);
        remember(true, prefix);
    }
    key_count_ = ask(false, {"DBSIZE"});
    other_key_count_ = ask(true, {"DBSIZE"});
    plant(false, own_prefix, own_content);
}

void Keyspace::remove_own() {
    const std::string pattern = std::string(own_prefix) + "*";
    for (const std::string& key : embedded::strings_of_frame(ask(false, {"KEYS", pattern}))) ask(false, {"DEL", key});
}

void Keyspace::restore_own() {
    remove_own();
    plant(false, own_prefix, own_content);
}

std::vector<std::string> Keyspace::changes() {
    std::vector<std::string> found;
    remove_own();
    const auto where = [](bool other_database) { return other_database ? " of database 1" : ""; };
    for (const Canary& canary : canaries_) {
        if (ask(canary.other_database, {"DUMP", canary.name}) != canary.dump) {
            found.push_back("the foreign key '" + canary.name + "'" + where(canary.other_database) + " has changed");
        }
        if (ask(canary.other_database, {"PEXPIRETIME", canary.name}) != canary.expiry) {
            found.push_back("the expiry of the foreign key '" + canary.name + "'" + where(canary.other_database) +
                            " has changed");
        }
    }
    if (ask(false, {"DBSIZE"}) != key_count_) found.emplace_back("the number of foreign keys has changed");
    if (ask(true, {"DBSIZE"}) != other_key_count_) found.emplace_back("the number of keys of database 1 has changed");
    if (!subscriber_.unasked().empty()) found.emplace_back("a message has reached a foreign subscriber");
    return found;
}

}  // namespace redoubt::isolation_fuzz
