// dispatch: slots of commands; see the header.
#include "dispatch/command_slot.hpp"

#include <algorithm>
#include <string>

#include <fmt/format.h>

#include "dispatch/first_key.hpp"

namespace redoubt::dispatch {
namespace {

constexpr std::string_view allowed =
    "in a Cluster keys that are used together must be in one slot: give them a common hash tag, such as {user:7}:name "
    "and {user:7}:mail, or let the whole project have one (key_colocation)";

// Channels that every node tells of; a sharded one has a slot, as a key has.
bool has_channels(const CommandSpec& spec) noexcept {
    if (!spec.name.starts_with("PUB")) [[likely]]
        return false;
    return !spec.name.starts_with("PUBSUB SHARD");
}

class Looking {
public:
    explicit Looking(const topology::KeySlots& slots) noexcept : slots_(slots) {}
    void key(std::string_view key) noexcept {
        const std::uint16_t slot = slots_(key);
        if (found.first == 0) {
            found.slot = slot;
            found.first = position;
        } else if (slot != found.slot && found.other == 0) {
            found.other = position;
        }
    }
    std::uint32_t position = 1;
    KeyPlace found;

private:
    const topology::KeySlots& slots_;
};

void look_at_run(const Argument& argument, Looking& looking) noexcept {
    const std::uint32_t before = looking.position;
    switch (argument.kind()) {
        case Argument::Kind::keys:
            for (const std::string_view key : argument.as_run<std::string_view>()) {
                looking.key(key);
                ++looking.position;
            }
            break;
        case Argument::Kind::key_pairs:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                looking.key(pair.first);
                looking.position += 2;
            }
            break;
        case Argument::Kind::pair_keys:
            for (const TextPair& pair : argument.as_run<TextPair>()) {
                looking.key(pair.first);
                ++looking.position;
            }
            break;
        default: break;
    }
    looking.position = before + static_cast<std::uint32_t>(argument.count());
}

}  // namespace

KeyPlace place_of(const CommandSpec& spec, std::span<const Argument> arguments,
                  const topology::KeySlots& slots) noexcept {
    if (has_channels(spec)) [[unlikely]]
        return {};
    Looking looking(slots);
    for (const Argument& argument : arguments) {
        if (argument.kind() <= Argument::Kind::key) [[likely]] {
            if (argument.kind() == Argument::Kind::key) looking.key(argument.as_text());
            ++looking.position;
        } else {
            look_at_run(argument, looking);
        }
    }
    return looking.found;
}

Error cross_slot_error(const CommandSpec& spec, const KeyPlace& place) {
    return Error::with_detail(
        ErrorKind::configuration, Certainty::not_sent, Stage::admission,
        fmt::format("the keys of {} are in different slots: argument {} is in another one than argument {}; {}",
                    spec.name, place.other, place.first, allowed));
}

Error cross_slot_error(const EncodedCommands& transaction) {
    const auto places = transaction.places();
    const auto first =
        std::find_if(places.begin(), places.end(), [](const auto& place) { return place.slot != no_slot; });
    const auto other = std::find_if(
        first, places.end(), [&](const auto& place) { return place.slot != no_slot && place.slot != first->slot; });
    const auto named = [&](auto place) {
        const auto index = static_cast<std::uint32_t>(place - places.begin());
        NamesPosition at;
        // MULTI comes before them.
        return fmt::format("command {} ({})", index, command_name(transaction.bytes(), index, at));
    };
    return Error::with_detail(
        ErrorKind::configuration, Certainty::not_sent, Stage::admission,
        fmt::format("the keys of MULTI are in different slots: those of its {} are in another one "
                    "than those of its {}; {}",
                    named(other), named(first), allowed));
}

Error watched_elsewhere_error() {
    return Error::with_detail(
        ErrorKind::configuration, Certainty::not_sent, Stage::admission,
        fmt::format("the keys of MULTI are in another slot than those of its WATCH; {}", allowed));
}

}  // namespace redoubt::dispatch
