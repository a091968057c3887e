// connection: the machine of a connection that listens; see the header.
#include "connection/subscription.hpp"

#include <algorithm>
#include <array>

#include <redoubt/base/isolation_counters.hpp>

#include "connection/server_error.hpp"
#include "resp/glob.hpp"

namespace redoubt::connection {
namespace {

constexpr std::size_t read_size = 16 * 1024;

struct Words {
    std::string_view subscribe;
    std::string_view unsubscribe;
    std::string_view message;
};

// As the server spells them in its answers; commands are written the same, for it does not mind their case.
constexpr Words words_of(Subscribed kind) {
    switch (kind) {
        case Subscribed::channel: return {"subscribe", "unsubscribe", "message"};
        case Subscribed::shard_channel: return {"ssubscribe", "sunsubscribe", "smessage"};
        case Subscribed::pattern:
        case Subscribed::keyspace: break;
    }
    return {"psubscribe", "punsubscribe", "pmessage"};
}

std::size_t size_of(const SubscriptionEvent& event) noexcept {
    return sizeof event + event.channel.size() + event.pattern.size() + event.payload.size();
}

}  // namespace

Subscription::Subscription(const SubscriptionSettings& settings)
    : settings_(settings),
      keyspace_("__keyspace@" + std::to_string(settings.database) + "__:"),
      scanner_(settings.reply_limits) {}

// What is wanted ---------------------------------------------------------------------------------------------------

std::string Subscription::wire_name(Subscribed kind, std::string_view name) const {
    const KeyPrefix& prefix = settings_.prefix;
    switch (kind) {
        case Subscribed::channel:
        case Subscribed::shard_channel: return std::string(prefix.view()).append(name);
        case Subscribed::pattern:
            return filters(kind) ? prefix.glob_escaped() + "*" : prefix.glob_escaped().append(name);
        case Subscribed::keyspace: break;
    }
    return keyspace_ + prefix.glob_escaped().append(filters(kind) ? std::string_view("*") : name);
}

void Subscription::add(Subscribed kind, std::string_view name, TimePoint now) {
    Name full(kind, name);
    refused_.erase(full);
    if (wanted_.contains(full)) return;
    const bool first = std::none_of(wanted_.begin(), wanted_.end(),
                                    [&](const auto& one) { return filters(kind) && one.first.first == kind; });
    const auto all = std::find_if(wanted_.begin(), wanted_.end(), [&](const auto& one) {
        return one.first.first == kind && one.second.standing == Standing::confirmed;
    });
    // Under one pattern a further one stands as soon as the first does.
    const bool stands = filters(kind) && all != wanted_.end();
    wanted_.emplace(std::move(full), Wanted{stands ? Standing::confirmed : Standing::asked});
    if (connected_ && (first || !filters(kind))) ask(Asked::What::subscribe, kind, name, now);
}

void Subscription::remove(Subscribed kind, std::string_view name, TimePoint now) {
    const Name full(kind, name);
    refused_.erase(full);
    if (wanted_.erase(full) == 0 || !connected_) return;
    const bool last =
        std::none_of(wanted_.begin(), wanted_.end(), [&](const auto& one) { return one.first.first == kind; });
    if (last || !filters(kind)) ask(Asked::What::unsubscribe, kind, name, now);
    look_for_end_of_gap();
}

Subscription::Standing Subscription::standing(Subscribed kind, std::string_view name) const {
    const Name full(kind, name);
    if (const auto at = wanted_.find(full); at != wanted_.end()) return at->second.standing;
    return refused_.contains(full) ? Standing::refused : Standing::unknown;
}

const Error* Subscription::refusal(Subscribed kind, std::string_view name) const {
    const auto at = refused_.find(Name(kind, name));
    return at == refused_.end() ? nullptr : &at->second;
}

// One connection ---------------------------------------------------------------------------------------------------

void Subscription::connected(TimePoint now) {
    connected_ = true;
    fault_.reset();
    heard_ = now;
    std::optional<Subscribed> all_asked;  // under one pattern; the wanted are in the order of their kinds
    for (const auto& [name, wanted] : wanted_) {
        if (filters(name.first) && std::exchange(all_asked, name.first) == name.first) continue;
        ask(Asked::What::subscribe, name.first, name.second, now);
    }
}

void Subscription::lost(std::string_view why) {
    connected_ = false;
    asked_.clear();
    output_.release();
    input_.release();
    scanner_ = resp::ReplyScanner(settings_.reply_limits);
    for (auto& [name, wanted] : wanted_) {
        if (wanted.standing != Standing::confirmed) continue;
        wanted.standing = Standing::asked;
        if (!gap_) gap_ = why;
    }
}

void Subscription::ask(Asked::What what, Subscribed kind, std::string_view name, TimePoint now) {
    if (asked_.empty()) asked_at_ = now;
    asked_.push_back({what, kind, std::string(filters(kind) ? std::string_view() : name)});
    if (what == Asked::What::ping) return append("ping", {});
    const Words words = words_of(kind);
    append(what == Asked::What::subscribe ? words.subscribe : words.unsubscribe, wire_name(kind, name));
}

void Subscription::append(std::string_view word, std::string_view argument) {
    std::string bytes = argument.empty() ? "*1\r\n" : "*2\r\n";
    const auto put = [&](std::string_view text) {
        bytes.append("$").append(std::to_string(text.size())).append("\r\n").append(text).append("\r\n");
    };
    put(word);
    if (!argument.empty()) put(argument);
    bytes.copy(output_.reserve(bytes.size()), bytes.size());
    output_.commit(bytes.size());
}

bool Subscription::may_read() const noexcept {
    if (settings_.options.overflow != SubscriptionOverflow::pause) return true;
    return events_.size() < settings_.options.max_buffered && buffered_bytes_ < settings_.options.max_buffered_bytes;
}

std::span<char> Subscription::read_space() {
    const std::size_t missing = scanner_.needed() > input_.size() ? scanner_.needed() - input_.size() : 0;
    // A promised length is believed step by step.
    char* const at = input_.reserve(std::max(read_size, std::min(missing, std::max(input_.size(), read_size))));
    return {at, input_.free_at_end()};
}

bool Subscription::commit_read(std::size_t bytes, TimePoint now) {
    heard_ = now;
    input_.commit(bytes);
    const std::size_t unanswered = asked_.size();
    while (!input_.empty()) {
        switch (scanner_.scan(input_.view())) {
            case resp::ReplyScanner::Status::need_more: return true;
            case resp::ReplyScanner::Status::error: return fail(scanner_.error());
            case resp::ReplyScanner::Status::complete: break;
        }
        const std::string_view frame = input_.view().substr(0, scanner_.size());
        const bool good = take(frame);
        input_.consume(frame.size());
        if (asked_.size() < unanswered) asked_at_ = now;
        if (!good) return false;
    }
    return true;
}

TimePoint Subscription::wake_at() const noexcept {
    if (!connected_) return TimePoint::max();
    return asked_.empty() ? heard_ + settings_.options.ping_interval : asked_at_ + settings_.attempt_timeout;
}

bool Subscription::on_time(TimePoint now) {
    if (now < wake_at()) return true;
    if (asked_.empty()) {
        ask(Asked::What::ping, Subscribed::channel, {}, now);
        return true;
    }
    // While reading is paused an answer may lie unread behind messages.
    if (!may_read()) {
        asked_at_ = now;
        return true;
    }
    fault_ = Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                       "the server did not answer within attempt_timeout; the connection was closed");
    return false;
}

bool Subscription::fail(std::string_view text) {
    fault_ = Error::with_detail(ErrorKind::connection, Certainty::unknown, Stage::reply, std::string(text));
    return false;
}

bool Subscription::foreign() {
    isolation_counters().foreign_keys.fetch_add(1, std::memory_order_relaxed);
    fault_ = Error::of(ErrorKind::isolation, Certainty::unknown, Stage::reply,
                       "a message came from a channel that is not the project's own; the connection was closed");
    return false;
}

// What came --------------------------------------------------------------------------------------------------------

bool Subscription::take(std::string_view frame) {
    ReplyCursor cursor(frame);
    const ReplyNode head = cursor.next();
    if (head.is_error()) return take_error(head.text);
    if (head.type != RespType::push && head.type != RespType::array) return take_answer(head.text, {});
    const ReplyNode word = cursor.next();
    if (!word.is_string()) return fail("the server sent something that no subscriber knows");
    for (const Subscribed kind : {Subscribed::channel, Subscribed::pattern, Subscribed::shard_channel}) {
        if (word.text == words_of(kind).message) return take_message(word.text, cursor);
    }
    return take_answer(word.text, cursor.next().text);
}

bool Subscription::take_answer(std::string_view word, std::string_view name) {
    constexpr std::string_view unasked = "the server confirmed a subscription that was not asked for, or ended one";
    if (asked_.empty() && word == words_of(Subscribed::shard_channel).unsubscribe) {
        // No fault of the node's: it has given the slot away.
        fault_ = Error::of(ErrorKind::server, Certainty::unknown, Stage::reply,
                           "the channel's slot has gone to another node of the Cluster");
        return false;
    }
    if (asked_.empty()) return fail(unasked);
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    const Words words = words_of(asked.kind);
    switch (asked.what) {
        case Asked::What::ping: return word == "pong" || word == "PONG" || fail(unasked);
        case Asked::What::unsubscribe:
            return (word == words.unsubscribe && name == wire_name(asked.kind, asked.name)) || fail(unasked);
        case Asked::What::subscribe: break;
    }
    if (word != words.subscribe || name != wire_name(asked.kind, asked.name)) return fail(unasked);
    // Asked for, taken back and asked for again: the last answer counts.
    const bool last = std::none_of(asked_.begin(), asked_.end(), [&](const Asked& later) {
        return later.what != Asked::What::ping && later.kind == asked.kind && later.name == asked.name;
    });
    if (last) confirm(asked.kind, asked.name);
    return true;
}

void Subscription::confirm(Subscribed kind, const std::string& name) {
    for (auto& [wanted, state] : wanted_) {
        if (wanted.first == kind && (filters(kind) || wanted.second == name)) state.standing = Standing::confirmed;
    }
    look_for_end_of_gap();
}

bool Subscription::take_error(std::string_view text) {
    const Error error = from_server_error(text, settings_.prefix);
    if (asked_.empty() || asked_.front().what != Asked::What::subscribe) {
        fault_ = error;
        return false;
    }
    // Another node of the Cluster has the channel, or will have it soon: it is asked for again on the next connection.
    if (is_about_place(error.prefix())) {
        fault_ = error;
        return false;
    }
    const Asked asked = std::move(asked_.front());
    asked_.pop_front();
    for (auto at = wanted_.begin(); at != wanted_.end();) {
        const bool its = at->first.first == asked.kind && (filters(asked.kind) || at->first.second == asked.name);
        if (its) refused_.insert_or_assign(at->first, error);
        at = its ? wanted_.erase(at) : std::next(at);
    }
    look_for_end_of_gap();
    return true;
}

std::optional<std::string_view> Subscription::key_of(std::string_view channel) const {
    if (!channel.starts_with(keyspace_)) return std::nullopt;
    return settings_.prefix.strip(channel.substr(keyspace_.size()));
}

bool Subscription::take_message(std::string_view word, ReplyCursor& cursor) {
    if (word != words_of(Subscribed::pattern).message) {
        const std::string_view channel = cursor.next().text;
        const auto own = settings_.prefix.strip(channel);
        if (!own) return foreign();
        const bool sharded = word == words_of(Subscribed::shard_channel).message;
        return hear(sharded ? Subscribed::shard_channel : Subscribed::channel, {}, *own, cursor.next().text);
    }
    const std::string pattern(cursor.next().text);
    const std::string_view channel = cursor.next().text;
    const std::string_view payload = cursor.next().text;
    const std::string keys = keyspace_ + settings_.prefix.glob_escaped();
    if (pattern.starts_with(keys)) {
        const auto key = key_of(channel);
        if (!key) return foreign();
        if (settings_.one_pattern) return hear_by_any_pattern(Subscribed::keyspace, *key, payload);
        return hear(Subscribed::keyspace, std::string_view(pattern).substr(keys.size()), *key, payload);
    }
    const std::string own_patterns = settings_.prefix.glob_escaped();
    const auto own = settings_.prefix.strip(channel);
    if (!own || !pattern.starts_with(own_patterns)) return foreign();
    if (settings_.one_pattern) return hear_by_any_pattern(Subscribed::pattern, *own, payload);
    return hear(Subscribed::pattern, std::string_view(pattern).substr(own_patterns.size()), *own, payload);
}

bool Subscription::hear_by_any_pattern(Subscribed kind, std::string_view name, std::string_view payload) {
    for (const auto& [wanted, state] : wanted_) {
        if (wanted.first != kind || !resp::glob_matches(wanted.second, name)) continue;
        (void)hear(kind, wanted.second, name, payload);
    }
    return true;
}

// What is no longer wanted may still come until the server has heard of it.
bool Subscription::hear(Subscribed by, std::string_view pattern, std::string_view channel, std::string_view payload) {
    const bool by_glob = by == Subscribed::pattern || by == Subscribed::keyspace;
    const std::string_view name = by_glob ? pattern : channel;
    if (!wanted_.contains(Name(by, name))) return true;
    keep({SubscriptionEvent::Kind::message, by, std::string(channel), std::string(pattern), std::string(payload), 0});
    return true;
}

void Subscription::keep(SubscriptionEvent event) {
    buffered_bytes_ += size_of(event);
    events_.push_back(std::move(event));
    if (settings_.options.overflow != SubscriptionOverflow::drop_oldest) return;
    while (events_.size() > settings_.options.max_buffered ||
           (buffered_bytes_ > settings_.options.max_buffered_bytes && events_.size() > 1)) {
        // A gap that nobody has heard of yet stays.
        auto victim = events_.begin();
        if (victim->kind == SubscriptionEvent::Kind::gap && events_.size() > 1) ++victim;
        if (victim->kind == SubscriptionEvent::Kind::message) {
            ++dropped_;
            ++dropped_in_all_;
        }
        buffered_bytes_ -= size_of(*victim);
        events_.erase(victim);
    }
}

void Subscription::look_for_end_of_gap() {
    if (!gap_ || !connected_) return;
    const bool all = std::all_of(wanted_.begin(), wanted_.end(),
                                 [](const auto& one) { return one.second.standing == Standing::confirmed; });
    if (!all) return;
    SubscriptionEvent gap;
    gap.kind = SubscriptionEvent::Kind::gap;
    gap.payload = std::move(*gap_);
    gap_.reset();
    keep(std::move(gap));
}

std::optional<SubscriptionEvent> Subscription::next() {
    if (dropped_ != 0) {
        SubscriptionEvent gap;
        gap.kind = SubscriptionEvent::Kind::gap;
        gap.payload = "more came than was received, and the buffer was full";
        gap.lost = std::exchange(dropped_, 0);
        return gap;
    }
    if (events_.empty()) return std::nullopt;
    std::optional<SubscriptionEvent> event(std::move(events_.front()));
    events_.pop_front();
    buffered_bytes_ -= size_of(*event);
    return event;
}

}  // namespace redoubt::connection
