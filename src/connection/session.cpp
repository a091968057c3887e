// connection: the session machine; see its header.
#include "connection/session.hpp"

#include <initializer_list>
#include <ostream>
#include <utility>

#include <fmt/format.h>

#include <redoubt/resp/reply.hpp>

#include "connection/server_error.hpp"

namespace redoubt::connection {
namespace {

void append_command(std::string& out, std::initializer_list<std::string_view> words) {
    fmt::format_to(std::back_inserter(out), "*{}\r\n", words.size());
    for (std::string_view word : words) fmt::format_to(std::back_inserter(out), "${}\r\n{}\r\n", word.size(), word);
}

bool does_not_know(std::string_view error, std::string_view command) {
    return error.starts_with("ERR unknown command") || (command == "HELLO" && error.starts_with("NOPROTO"));
}

// What a server says of the whole connection before it closes it, in answer to whichever command comes first.
bool refuses_the_connection(std::string_view error) {
    return error.starts_with("NOAUTH") || error.starts_with("DENIED") || error.starts_with("ERR max number of clients");
}

// Old servers quote the arguments of a command that they do not know, those of HELLO .. AUTH too.
std::string without_secret(std::string_view error, const std::string& secret) {
    constexpr std::string_view mask = "***";
    std::string text(error);
    if (secret.empty()) return text;
    for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + mask.size())) {
        text.replace(at, secret.size(), mask);
    }
    return text;
}

constexpr std::string_view kind_names[] = {"resolve", "connect", "start_tls", "send", "read", "ready", "fail"};

}  // namespace

std::ostream& operator<<(std::ostream& out, const SessionAction& action) {
    return out << kind_names[static_cast<std::size_t>(action.kind)] << '(' << action.index << ')';
}

Session::Session(const SessionSettings& settings) : settings_(settings), scanner_(settings_.reply_limits) {}

SessionAction Session::start() {
    if (settings_.target.scheme == Target::Scheme::unix_socket) return on_resolved(1);
    step_ = Step::resolving;
    return {SessionAction::Kind::resolve};
}

SessionAction Session::on_resolved(std::size_t addresses) {
    if (addresses == 0) return on_resolve_failed("the name has no address");
    addresses_ = addresses;
    address_ = 0;
    step_ = Step::connecting;
    return {SessionAction::Kind::connect, 0};
}

SessionAction Session::on_resolve_failed(std::string_view why) {
    return fail(ErrorKind::connection, Stage::connecting,
                fmt::format("cannot resolve {}: {}", settings_.target.host, why));
}

SessionAction Session::on_connected() {
    if (settings_.target.scheme != Target::Scheme::tls) return begin_handshake();
    step_ = Step::tls;
    return {SessionAction::Kind::start_tls, address_};
}

SessionAction Session::on_connect_failed(std::string_view why) { return next_address(ErrorKind::connection, why); }

SessionAction Session::on_tls_ready() { return begin_handshake(); }

// A certificate that does not verify is no reason to try elsewhere: it is an answer.
SessionAction Session::on_tls_failed(std::string_view why) {
    return fail(ErrorKind::connection, Stage::connecting, fmt::format("TLS: {}", why));
}

SessionAction Session::next_address(ErrorKind kind, std::string_view why) {
    if (!failures_.empty()) failures_ += "; ";
    failures_ += why;
    if (++address_ < addresses_) {
        step_ = Step::connecting;
        return {SessionAction::Kind::connect, address_};
    }
    return fail(kind, Stage::connecting, fmt::format("cannot connect: {}", failures_));
}

SessionAction Session::begin_handshake() {
    if (settings_.protocol == Protocol::resp2) return begin_resp2();
    step_ = Step::hello;
    output_.clear();
    const Target& target = settings_.target;
    if (target.password.empty()) {
        append_command(output_, {"HELLO", "3"});
    } else {
        append_command(output_, {"HELLO", "3", "AUTH", target.user.empty() ? "default" : target.user, target.password});
    }
    sent_count_ = answered_ = 0;
    sent_[sent_count_++] = Sent::hello;
    append_common();
    return {SessionAction::Kind::send, address_};
}

SessionAction Session::begin_resp2() {
    step_ = Step::resp2;
    output_.clear();
    sent_count_ = answered_ = 0;
    protocol_ = 2;
    const Target& target = settings_.target;
    if (!target.password.empty()) {
        if (target.user.empty()) {
            append_command(output_, {"AUTH", target.password});
        } else {
            append_command(output_, {"AUTH", target.user, target.password});
        }
        sent_[sent_count_++] = Sent::auth;
    }
    append_common();
    return {SessionAction::Kind::send, address_};
}

// SETNAME is always sent, so that every handshake proves that the peer answers.
void Session::append_common() {
    append_command(output_, {"CLIENT", "SETNAME", settings_.client_name.empty() ? "redoubt" : settings_.client_name});
    sent_[sent_count_++] = Sent::set_name;
    if (settings_.target.database != 0) {
        append_command(output_, {"SELECT", fmt::format("{}", settings_.target.database)});
        sent_[sent_count_++] = Sent::select;
    }
    if (settings_.read_only) {
        append_command(output_, {"READONLY"});
        sent_[sent_count_++] = Sent::read_only;
    }
}

SessionAction Session::on_bytes(std::string_view bytes) {
    input_ += bytes;
    while (!input_.empty()) {
        switch (scanner_.scan(input_)) {
            case resp::ReplyScanner::Status::need_more: return {SessionAction::Kind::read, address_};
            case resp::ReplyScanner::Status::error:
                return fail(ErrorKind::connection, Stage::handshake,
                            fmt::format("the peer is not a Redis or Valkey server: {}", scanner_.error()));
            case resp::ReplyScanner::Status::complete: break;
        }
        const std::string frame = input_.substr(0, scanner_.size());
        input_.erase(0, scanner_.size());
        if (scanner_.is_push()) continue;
        const SessionAction next = on_reply(frame);
        if (next.kind != SessionAction::Kind::read) return next;
    }
    return {SessionAction::Kind::read, address_};
}

SessionAction Session::on_reply(std::string_view frame) {
    if (answered_ == sent_count_) {
        return fail(ErrorKind::connection, Stage::handshake, "the server sent a reply that no command asked for");
    }
    const ReplyNode head = ReplyCursor(frame).next();
    if (head.is_error()) {
        const SessionAction next = on_error_reply(head.text);
        if (next.kind != SessionAction::Kind::read) return next;
    } else if (sent_[answered_] == Sent::hello) {
        protocol_ = 3;
    }
    if (++answered_ < sent_count_) return {SessionAction::Kind::read, address_};
    if (!input_.empty()) {
        return fail(ErrorKind::connection, Stage::handshake, "the server sent a reply that no command asked for");
    }
    // What HELLO did not know is asked for again in the older way, after its companions were answered too.
    if (step_ == Step::hello && protocol_ != 3) return begin_resp2();
    step_ = Step::done;
    return {SessionAction::Kind::ready, address_};
}

SessionAction Session::on_error_reply(std::string_view text) {
    const Sent command = sent_[answered_];
    if (command == Sent::hello && settings_.protocol == Protocol::automatic && does_not_know(text, "HELLO")) {
        return {SessionAction::Kind::read, address_};
    }
    // While HELLO is being replaced its companions fail with NOAUTH; the second round decides.
    if (step_ == Step::hello && protocol_ != 3 && command != Sent::hello) return {SessionAction::Kind::read, address_};
    // A name is a courtesy: managed servers may refuse it. A connection that is refused is not.
    if (command == Sent::set_name && !refuses_the_connection(text)) return {SessionAction::Kind::read, address_};

    const Error reason = from_server_error(text, KeyPrefix{});
    std::string told = without_secret(reason.reason(), settings_.target.password);
    switch (command) {
        case Sent::select:
            // It is the server's mood, not the database: another moment may lift it.
            if (is_passing(reason.prefix())) return fail(ErrorKind::server, Stage::handshake, std::move(told));
            return fail(reason.kind == ErrorKind::authentication ? reason.kind : ErrorKind::configuration,
                        Stage::handshake,
                        fmt::format("cannot select database {}: {}", settings_.target.database, told));
        case Sent::read_only:
            if (is_passing(reason.prefix())) return fail(ErrorKind::server, Stage::handshake, std::move(told));
            if (reason.kind != ErrorKind::authentication) {
                return fail(ErrorKind::connection, Stage::handshake, fmt::format("cannot read here: {}", told));
            }
            break;
        case Sent::hello:
        case Sent::auth:
        case Sent::set_name: break;
    }
    // AUTH without a password configured at the server says plain ERR, as does HELLO of another version.
    const bool identity = reason.kind == ErrorKind::authentication || command == Sent::auth ||
                          text.find("AUTH") != std::string_view::npos;
    return fail(identity ? ErrorKind::authentication : ErrorKind::connection, Stage::handshake, std::move(told));
}

SessionAction Session::on_lost(std::string_view why) {
    if (step_ == Step::idle || step_ == Step::resolving) return on_resolve_failed(why);
    if (step_ == Step::connecting) return next_address(ErrorKind::connection, why);
    if (step_ == Step::tls) return on_tls_failed(why);
    return fail(ErrorKind::connection, Stage::handshake, fmt::format("lost during the handshake: {}", why));
}

SessionAction Session::on_timeout() {
    constexpr std::string_view names[] = {
        "", "resolving the name", "connecting", "the TLS handshake", "the answer to HELLO", "the handshake", ""};
    const Stage stage = step_ == Step::hello || step_ == Step::resp2 ? Stage::handshake : Stage::connecting;
    return fail(
        ErrorKind::timeout, stage,
        fmt::format("connection_timeout passed while waiting for {}{}{}", names[static_cast<std::size_t>(step_)],
                    failures_.empty() ? "" : "; before that: ", failures_));
}

SessionAction Session::fail(ErrorKind kind, Stage stage, std::string text) {
    step_ = Step::done;
    error_ = Error::with_detail(kind, Certainty::not_sent, stage, std::move(text));
    return {SessionAction::Kind::fail, address_};
}

}  // namespace redoubt::connection
