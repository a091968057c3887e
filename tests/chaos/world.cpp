// tests: what the callers of the chaos write; see the header.
#include "chaos/world.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>

#include <fmt/format.h>

namespace redoubt::chaos {
namespace {

// A key is written by all for so long; then it is left alone, so that what lands late is seen in the end.
constexpr Tick generation = 6'000'000'000;
constexpr std::uint64_t ids_a_key = 500;

std::uint64_t number_of(std::string_view text) {
    std::uint64_t number = 0;
    const char* const end = text.data() + text.size();
    const auto [rest, failed] = std::from_chars(text.data(), end, number);
    return failed == std::errc() && (rest == end || *rest == ':') ? number : 0;
}

void append(Deviations& to, Deviations&& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

std::vector<std::uint64_t> told_ids(const Ids& ids) {
    std::vector<std::uint64_t> all;
    for (const auto& [id, told] : ids.history().told()) all.push_back(id);
    return all;
}

/// Which of the ids have a key.
template <class KeyOf>
std::vector<std::uint64_t> ids_with_keys(const ProjectIsolatedRedisClient& redis, const Ids& ids, KeyOf key_of,
                                         Deviations& deviations) {
    const std::vector<std::uint64_t> asked = told_ids(ids);
    std::vector<std::uint64_t> found;
    constexpr std::size_t at_once = 1000;
    for (std::size_t from = 0; from < asked.size(); from += at_once) {
        const std::size_t to = std::min(from + at_once, asked.size());
        auto batch = redis.batch<MaybeText>();
        for (std::size_t i = from; i < to; ++i) batch.get(key_of(asked[i]));
        const std::vector<MaybeText> values = std::move(batch).execute();
        for (std::size_t i = from; i < to; ++i) {
            const MaybeText& value = values[i - from];
            if (!value) continue;
            found.push_back(asked[i]);
            if (number_of(*value) != asked[i])
                deviations.push_back(fmt::format("{}: not its own id", key_of(asked[i])));
        }
    }
    return found;
}

}  // namespace

std::uint64_t Register::version_of(std::string_view value) {
    const std::uint64_t version = number_of(value);
    const std::size_t colon = value.find(':');
    return colon != std::string_view::npos && value == value_of(version, value.size() - colon - 1) ? version : 0;
}

// What it is filled with depends on the version, so that a value made of two others is none.
std::string Register::value_of(std::uint64_t version, std::size_t padding) {
    std::string value = std::to_string(version) + ":";
    value.append(padding, static_cast<char>('a' + version % 26));
    return value;
}

std::int64_t Counter::number_of(const MaybeText& value) {
    if (!value) return 0;
    std::int64_t number = -1;
    const char* const end = value->data() + value->size();
    return std::from_chars(value->data(), end, number).ptr == end ? number : -1;
}

World::World() : begin_(Clock::now()) {
    for (std::uint32_t group = 0; group != transaction_groups; ++group) {
        transaction_keys_.emplace_back(transaction_tag(group) + "key");
        transaction_counters_.emplace_back(transaction_tag(group) + "count");
    }
}

Register& World::reg(RegisterKind kind, std::uint32_t slot) {
    const Tick at = now() / generation;
    const auto place = static_cast<std::uint32_t>(kind) * 100 + slot;
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Register>& made = registers_[{place, at}];
    if (!made) {
        const bool field = kind == RegisterKind::field || kind == RegisterKind::clearable_field;
        const auto rule =
            kind == RegisterKind::repeated ? RegisterHistory::Rule::may_repeat : RegisterHistory::Rule::exact;
        made = field ? std::make_unique<Register>(fmt::format("hash:{}:{}", static_cast<unsigned>(kind), at),
                                                  fmt::format("f{}", slot), rule)
                     : std::make_unique<Register>(fmt::format("reg:{}:{}", place, at), "", rule);
    }
    return *made;
}

void World::hash_deleted(const Register& of, Span span, Fate fate) {
    const std::lock_guard lock(mutex_);
    for (const auto& [place, one] : registers_) {
        if (one->key() == of.key()) one->note([&](RegisterHistory& history) { history.deleted(span, fate); });
    }
}

Ids& World::ids(const std::string& name, std::uint64_t id) {
    const std::uint64_t at = id / ids_a_key;
    const std::lock_guard lock(mutex_);
    std::unique_ptr<Ids>& made = ids_[{name, at}];
    if (!made) made = std::make_unique<Ids>(fmt::format("{}:{}", name, at));
    return *made;
}

void World::sabotage(const ProjectIsolatedRedisClient& redis) {
    const std::string stream = "stream:0";
    redis.rpop("list:0");  // the oldest
    const std::vector<StreamEntry> entries = redis.xrange(stream);
    redis.xadd(stream, "id", entries.at(0).fields.at(0).second);
}

std::vector<std::string> World::keys() {
    std::vector<std::string> all{watched_.key()};
    for (const Counter& counter : counters_) all.push_back(counter.key());
    for (const Counter& counter : transaction_counters_) all.push_back(counter.key());
    const std::lock_guard lock(mutex_);
    for (const auto& [place, one] : registers_) all.push_back(one->key());
    for (const auto& [name, one] : ids_) all.push_back(one->key());
    return all;
}

World::Checked World::check(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of) {
    Checked checked;
    check_registers(redis, failovers_of, checked);
    check_collections(redis, failovers_of, checked);
    check_transactions(redis, failovers_of, checked);
    check_counters(redis, failovers_of, checked);
    return checked;
}

void World::check_registers(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of,
                            Checked& checked) {
    for (const auto& [place, one] : registers_) {
        const Tick begin = now();
        const MaybeText value = one->is_field() ? redis.hget(one->key(), one->field()) : redis.get(one->key());
        const Span span{begin, now()};
        one->note([&](RegisterHistory& history) {
            history.read(span, value ? std::optional(Register::version_of(*value)) : std::nullopt);
        });
        append(checked.deviations, one->check(failovers_of(one->key())));
        ++checked.keys;
    }
}

void World::check_collections(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of,
                              Checked& checked) {
    for (const auto& [name, ids] : ids_) {
        std::vector<std::uint64_t> found;
        if (name.first == "stream") {
            for (const StreamEntry& entry : redis.xrange(ids->key())) {
                found.push_back(entry.fields.empty() ? 0 : number_of(entry.fields.front().second));
            }
        } else {
            for (const std::string& element : redis.lrange(ids->key(), 0, -1)) found.push_back(number_of(element));
        }
        append(checked.deviations, ids->history().check(found, failovers_of(ids->key())));
        checked.keys += 1;
        auto& in_lists = in_lists_[name.first];
        in_lists.insert(in_lists.end(), found.begin(), found.end());
    }
    const auto unique = ids_with_keys(redis, unique_, unique_key, checked.deviations);
    append(checked.deviations, unique_.history().check(unique, [&](std::uint64_t id) -> Failovers& {
        return failovers_of(unique_key(id));
    }));
    checked.keys += unique.size();
}

void World::check_transactions(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of,
                               Checked& checked) {
    for (std::uint32_t group = 0; group != transaction_groups; ++group) {
        const Ids& keys = transaction_keys_[group];
        const Counter& counter = transaction_counters_[group];
        const auto with_keys = ids_with_keys(redis, keys, transaction_key, checked.deviations);
        append(checked.deviations, keys.history().check(with_keys, failovers_of(counter.key())));
        append(checked.deviations,
               check_together("transactions", in_lists_[transaction_tag(group) + "list"], with_keys));
        const auto counted = static_cast<std::uint64_t>(Counter::number_of(redis.get(counter.key())));
        if (counted != with_keys.size()) {
            checked.deviations.push_back(
                fmt::format("transactions: {} are counted, {} have left a key", counted, with_keys.size()));
        }
        checked.keys += with_keys.size();
    }
}

void World::check_counters(const ProjectIsolatedRedisClient& redis, const FailoversOf& failovers_of, Checked& checked) {
    const auto check_one = [&](const Counter& counter) {
        append(checked.deviations,
               counter.history().check(Counter::number_of(redis.get(counter.key())), failovers_of(counter.key())));
        ++checked.keys;
    };
    for (const Counter& counter : counters_) check_one(counter);
    for (const Counter& counter : transaction_counters_) check_one(counter);
    check_one(watched_);
}

}  // namespace redoubt::chaos
