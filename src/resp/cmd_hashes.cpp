// resp: builders of the commands on hashes.
#include "resp/cmd_support.hpp"

namespace redoubt::cmd {

using Text = std::optional<std::string>;

Command<std::int64_t> hset(std::string_view of_key, std::string_view field, std::string_view value) {
    return build<std::int64_t>(spec_of("HSET"), key(of_key), text(field), text(value));
}
Command<std::int64_t> hset(std::string_view of_key, PairList fields) {
    auto command = build<std::int64_t>(spec_of("HSET"), key(of_key), Argument::pairs(fields));
    if (fields.empty()) command.set_invalid("it needs at least one field with its value");
    return command;
}
Command<std::int64_t> hset(std::string_view of_key, PairBraces fields) { return hset(of_key, list_of(fields)); }
Command<bool> hsetnx(std::string_view of_key, std::string_view field, std::string_view value) {
    return build<bool>(spec_of("HSETNX"), key(of_key), text(field), text(value));
}
Command<Text> hget(std::string_view of_key, std::string_view field) {
    return build<Text>(spec_of("HGET"), key(of_key), text(field));
}
Command<std::vector<Text>> hmget(std::string_view of_key, TextList fields) {
    return build_of_texts<std::vector<Text>>(spec_of("HMGET"), of_key, fields);
}
Command<std::vector<Text>> hmget(std::string_view of_key, TextBraces fields) { return hmget(of_key, list_of(fields)); }
Command<StringMap> hgetall(std::string_view of_key) { return build<StringMap>(spec_of("HGETALL"), key(of_key)); }
Command<std::int64_t> hdel(std::string_view of_key, std::string_view field) {
    return build<std::int64_t>(spec_of("HDEL"), key(of_key), text(field));
}
Command<std::int64_t> hdel(std::string_view of_key, TextList fields) {
    return build_of_texts<std::int64_t>(spec_of("HDEL"), of_key, fields);
}
Command<std::int64_t> hdel(std::string_view of_key, TextBraces fields) { return hdel(of_key, list_of(fields)); }
Command<bool> hexists(std::string_view of_key, std::string_view field) {
    return build<bool>(spec_of("HEXISTS"), key(of_key), text(field));
}
Command<std::int64_t> hlen(std::string_view of_key) { return build<std::int64_t>(spec_of("HLEN"), key(of_key)); }
Command<std::int64_t> hstrlen(std::string_view of_key, std::string_view field) {
    return build<std::int64_t>(spec_of("HSTRLEN"), key(of_key), text(field));
}
Command<std::vector<std::string>> hkeys(std::string_view of_key) {
    return build<std::vector<std::string>>(spec_of("HKEYS"), key(of_key));
}
Command<std::vector<std::string>> hvals(std::string_view of_key) {
    return build<std::vector<std::string>>(spec_of("HVALS"), key(of_key));
}
Command<std::int64_t> hincrby(std::string_view of_key, std::string_view field, std::int64_t by) {
    return build<std::int64_t>(spec_of("HINCRBY"), key(of_key), text(field), number(by));
}
Command<double> hincrbyfloat(std::string_view of_key, std::string_view field, double by) {
    auto command = build<double>(spec_of("HINCRBYFLOAT"), key(of_key), text(field));
    add_real(command, by);
    return command;
}
Command<Text> hrandfield(std::string_view of_key) { return build<Text>(spec_of("HRANDFIELD"), key(of_key)); }
Command<std::vector<std::string>> hrandfield(std::string_view of_key, std::int64_t count) {
    return build<std::vector<std::string>>(spec_of("HRANDFIELD"), key(of_key), number(count));
}
Command<std::vector<std::pair<std::string, std::string>>> hrandfield_with_values(std::string_view of_key,
                                                                                 std::int64_t count) {
    return build<std::vector<std::pair<std::string, std::string>>>(spec_of("HRANDFIELD"), key(of_key), number(count),
                                                                   text("WITHVALUES"));
}
Command<HashScanPage> hscan(std::string_view of_key, std::uint64_t cursor, MemberScanOptions options) {
    auto command = build<HashScanPage>(spec_of("HSCAN"), key(of_key), Argument::unsigned_integer(cursor));
    add_member_scan(command, options);
    return command;
}

}  // namespace redoubt::cmd
