// isolation: setting up one ACL user; see the header.
#include "isolation/acl_setup.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "connection/server_error.hpp"

namespace redoubt::isolation {
namespace {

/// What the server says of a rule that it does not take quotes it, which may be a hash.
std::string reason_of(const Value& reply) {
    std::string text = reply.text.substr(0, 300);
    for (std::size_t at = text.find_first_of("#!"); at != std::string::npos; at = text.find_first_of("#!", at + 1)) {
        std::size_t end = at + 1;
        while (end < text.size() && std::isxdigit(static_cast<unsigned char>(text[end])) != 0) ++end;
        if (end - at > 16) text.replace(at + 1, end - at - 1, "***");
    }
    return text;
}

/// As ACL GETUSER gives them back.
std::string joined(const std::vector<std::string>& patterns) {
    std::string text;
    for (const std::string& pattern : patterns) text += (text.empty() ? "" : " ") + pattern;
    return text;
}

const Value* field_of(const Value& map, std::string_view name) {
    for (std::size_t i = 0; i + 1 < map.elements.size(); i += 2) {
        if (map.elements[i].text == name) return &map.elements[i + 1];
    }
    return nullptr;
}

bool holds(const Value& list, std::string_view text) {
    return std::any_of(list.elements.begin(), list.elements.end(), [&](const Value& one) { return one.text == text; });
}

}  // namespace

Error user_failure(std::string_view user, ErrorKind kind, std::string_view why) {
    std::string text = "the server's user ";
    text.append(user).append(": ").append(why);
    return Error::with_detail(kind, Certainty::not_sent, Stage::connecting, std::move(text));
}

Error user_failure(std::string_view user, const Error& error) {
    Error told = user_failure(user, error.kind,
                              std::string("the administrator's connection (admin_url): ").append(error.reason()));
    told.cause = std::make_shared<const Error>(error);
    return told;
}

Error user_failure(std::string_view user, const Value& reply) {
    return user_failure(user, connection::from_server_error(reply.text, KeyPrefix{}).kind, reason_of(reply));
}

result<std::vector<Value>> ask_again(AclLink& link, const std::vector<AclLink::Words>& commands, TimePoint deadline) {
    result<std::vector<Value>> replies = link.exchange(commands, deadline);
    if (!replies && replies.error().stage == Stage::sent && replies.error().kind == ErrorKind::connection) {
        replies = link.exchange(commands, deadline);
    }
    return replies;
}

result<std::vector<std::string>> set_up_user(AclLink& link, const std::string& name, const AclUser& rules,
                                             const std::string& hash, TimePoint deadline) {
    const result<std::vector<std::string>> known = link.known_commands(deadline);
    if (!known) return user_failure(name, known.error());
    AclLink::Words set{"ACL", "SETUSER", name};
    for (std::string& rule : acl_rules(rules, *known)) set.push_back(std::move(rule));
    if (!hash.empty()) set.push_back("#" + hash);
    const std::vector<AclCheck> checks = acl_checks(rules);
    std::vector<AclLink::Words> commands{std::move(set), {"ACL", "GETUSER", name}};
    for (const AclCheck& check : checks) {
        AclLink::Words words{"ACL", "DRYRUN", name};
        words.insert(words.end(), check.words.begin(), check.words.end());
        commands.push_back(std::move(words));
    }
    const result<std::vector<Value>> replies = ask_again(link, commands, deadline);
    if (!replies) return user_failure(name, replies.error());
    for (std::size_t i = 0; i != 2; ++i) {
        const Value& reply = (*replies)[i];
        if (!reply.is_error()) continue;
        return user_failure(name, reply);
    }

    const Value& read_back = (*replies)[1];
    const Value* const flags = field_of(read_back, "flags");
    const Value* const keys = field_of(read_back, "keys");
    const Value* const channels = field_of(read_back, "channels");
    const Value* const selectors = field_of(read_back, "selectors");
    const Value* const passwords = field_of(read_back, "passwords");
    const bool as_set = flags != nullptr && holds(*flags, "on") && !holds(*flags, "nopass") && keys != nullptr &&
                        keys->text == acl_key_pattern(rules) && channels != nullptr &&
                        channels->text == joined(acl_channel_patterns(rules)) && selectors != nullptr &&
                        selectors->elements.empty() && passwords != nullptr &&
                        (hash.empty() || holds(*passwords, hash));
    if (!as_set) return user_failure(name, ErrorKind::server, "ACL GETUSER does not give back what was set");
    for (std::size_t i = 0; i != checks.size(); ++i) {
        const Value& tried = (*replies)[i + 2];
        if ((tried.text == "OK") == checks[i].allowed) continue;
        std::string why = checks[i].words.front();
        why += checks[i].allowed ? " should pass ACL DRYRUN and does not" : " passes ACL DRYRUN and should not";
        return user_failure(name, ErrorKind::server, why);
    }
    std::vector<std::string> secrets;
    for (const Value& one : passwords->elements) secrets.push_back(one.text);
    return secrets;
}

}  // namespace redoubt::isolation
