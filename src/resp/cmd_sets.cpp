// resp: builders of the commands on sets.
#include "resp/cmd_support.hpp"

namespace redoubt::cmd {
namespace {

using Texts = std::vector<std::string>;

Building<std::int64_t> build_store(const CommandSpec& spec, std::string_view destination, TextList keys) {
    auto command = build<std::int64_t>(spec, key(destination), Argument::keys(keys));
    if (keys.empty()) command.set_invalid("it needs at least one source");
    refine_store(command, destination, keys);
    return command;
}

}  // namespace

Command<std::int64_t> sadd(std::string_view of_key, std::string_view member) {
    return build<std::int64_t>(spec_of("SADD"), key(of_key), text(member));
}
Command<std::int64_t> sadd(std::string_view of_key, TextList members) {
    return build_of_texts<std::int64_t>(spec_of("SADD"), of_key, members);
}
Command<std::int64_t> sadd(std::string_view of_key, TextBraces members) { return sadd(of_key, list_of(members)); }
Command<std::int64_t> srem(std::string_view of_key, std::string_view member) {
    return build<std::int64_t>(spec_of("SREM"), key(of_key), text(member));
}
Command<std::int64_t> srem(std::string_view of_key, TextList members) {
    return build_of_texts<std::int64_t>(spec_of("SREM"), of_key, members);
}
Command<std::int64_t> srem(std::string_view of_key, TextBraces members) { return srem(of_key, list_of(members)); }
Command<Texts> smembers(std::string_view of_key) { return build<Texts>(spec_of("SMEMBERS"), key(of_key)); }
Command<bool> sismember(std::string_view of_key, std::string_view member) {
    return build<bool>(spec_of("SISMEMBER"), key(of_key), text(member));
}
Command<std::vector<bool>> smismember(std::string_view of_key, TextList members) {
    return build_of_texts<std::vector<bool>>(spec_of("SMISMEMBER"), of_key, members);
}
Command<std::vector<bool>> smismember(std::string_view of_key, TextBraces members) {
    return smismember(of_key, list_of(members));
}
Command<std::int64_t> scard(std::string_view of_key) { return build<std::int64_t>(spec_of("SCARD"), key(of_key)); }
Command<std::optional<std::string>> spop(std::string_view of_key) {
    return build<std::optional<std::string>>(spec_of("SPOP"), key(of_key));
}
Command<Texts> spop(std::string_view of_key, std::uint32_t count) {
    return build<Texts>(spec_of("SPOP"), key(of_key), number(count));
}
Command<std::optional<std::string>> srandmember(std::string_view of_key) {
    return build<std::optional<std::string>>(spec_of("SRANDMEMBER"), key(of_key));
}
Command<Texts> srandmember(std::string_view of_key, std::int64_t count) {
    return build<Texts>(spec_of("SRANDMEMBER"), key(of_key), number(count));
}
Command<bool> smove(std::string_view source, std::string_view destination, std::string_view member) {
    return build<bool>(spec_of("SMOVE"), key(source), key(destination), text(member));
}

Command<Texts> sdiff(TextList keys) { return build_of_keys<Texts>(spec_of("SDIFF"), keys); }
Command<Texts> sdiff(TextBraces keys) { return sdiff(list_of(keys)); }
Command<Texts> sinter(TextList keys) { return build_of_keys<Texts>(spec_of("SINTER"), keys); }
Command<Texts> sinter(TextBraces keys) { return sinter(list_of(keys)); }
Command<Texts> sunion(TextList keys) { return build_of_keys<Texts>(spec_of("SUNION"), keys); }
Command<Texts> sunion(TextBraces keys) { return sunion(list_of(keys)); }
Command<std::int64_t> sdiffstore(std::string_view destination, TextList keys) {
    return build_store(spec_of("SDIFFSTORE"), destination, keys);
}
Command<std::int64_t> sdiffstore(std::string_view destination, TextBraces keys) {
    return sdiffstore(destination, list_of(keys));
}
Command<std::int64_t> sinterstore(std::string_view destination, TextList keys) {
    return build_store(spec_of("SINTERSTORE"), destination, keys);
}
Command<std::int64_t> sinterstore(std::string_view destination, TextBraces keys) {
    return sinterstore(destination, list_of(keys));
}
Command<std::int64_t> sunionstore(std::string_view destination, TextList keys) {
    return build_store(spec_of("SUNIONSTORE"), destination, keys);
}
Command<std::int64_t> sunionstore(std::string_view destination, TextBraces keys) {
    return sunionstore(destination, list_of(keys));
}
Command<std::int64_t> sintercard(TextList keys, std::uint32_t limit) {
    auto command = build<std::int64_t>(spec_of("SINTERCARD"));
    add_counted_keys(command, keys);
    if (limit != 0) {
        command.add(text("LIMIT"));
        command.add(number(limit));
    }
    return command;
}
Command<std::int64_t> sintercard(TextBraces keys, std::uint32_t limit) { return sintercard(list_of(keys), limit); }

Command<SetScanPage> sscan(std::string_view of_key, std::uint64_t cursor, MemberScanOptions options) {
    auto command = build<SetScanPage>(spec_of("SSCAN"), key(of_key), Argument::unsigned_integer(cursor));
    add_member_scan(command, options);
    return command;
}

}  // namespace redoubt::cmd
