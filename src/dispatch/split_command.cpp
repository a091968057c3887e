// dispatch: splitting commands; see the header.
#include "dispatch/split_command.hpp"

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "base/text_values.hpp"

namespace redoubt::dispatch {
namespace {

using Joint = EncodedCommands::Joint;

struct Splittable {
    std::string_view name;
    Joint::Kind kind;
};
constexpr std::array splittable{
    Splittable{"MGET", Joint::Kind::values}, Splittable{"MSET", Joint::Kind::ok},
    Splittable{"DEL", Joint::Kind::sum},     Splittable{"UNLINK", Joint::Kind::sum},
    Splittable{"EXISTS", Joint::Kind::sum},  Splittable{"TOUCH", Joint::Kind::sum},
};

std::optional<Joint::Kind> kind_of(std::string_view name) noexcept {
    for (const Splittable& one : splittable) {
        if (one.name == name) return one.kind;
    }
    return std::nullopt;
}

/// All keys of such a command in order, each with its value where it has one.
std::vector<TextPair> keys_of(std::span<const Argument> arguments) {
    std::vector<TextPair> keys;
    for (const Argument& argument : arguments) {
        switch (argument.kind()) {
            case Argument::Kind::key: keys.emplace_back(argument.as_text(), std::string_view()); break;
            case Argument::Kind::text:
                if (!keys.empty()) keys.back().second = argument.as_text();
                break;
            case Argument::Kind::keys:
                for (const std::string_view key : argument.as_run<std::string_view>()) {
                    keys.emplace_back(key, std::string_view());
                }
                break;
            case Argument::Kind::key_pairs:
                for (const TextPair& pair : argument.as_run<TextPair>()) keys.push_back(pair);
                break;
            default: break;
        }
    }
    return keys;
}

}  // namespace

bool split_over_slots(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                      const KeyPrefix& prefix, const topology::KeySlots& slots, EncodedCommands& into) {
    const std::optional<Joint::Kind> kind = kind_of(spec.name);
    if (!kind) return false;
    const std::vector<TextPair> keys = keys_of(arguments);
    Joint joint{*kind, static_cast<std::uint32_t>(keys.size()), {}};
    std::map<std::uint16_t, std::size_t> place_of;  // in `joint.keys`
    std::vector<std::uint16_t> slot_of;
    for (std::uint32_t i = 0; i != keys.size(); ++i) {
        const std::uint16_t slot = slots(keys[i].first);
        const auto [place, fresh] = place_of.try_emplace(slot, joint.keys.size());
        if (fresh) {
            joint.keys.emplace_back();
            slot_of.push_back(slot);
        }
        joint.keys[place->second].push_back(i);
    }
    std::vector<std::string_view> names;
    std::vector<TextPair> pairs;
    for (std::size_t i = 0; i != joint.keys.size(); ++i) {
        names.clear();
        pairs.clear();
        for (const std::uint32_t key : joint.keys[i]) {
            names.push_back(keys[key].first);
            pairs.push_back(keys[key]);
        }
        const Argument argument = *kind == Joint::Kind::ok ? Argument::key_pairs(pairs) : Argument::keys(names);
        into.add_place(slot_of[i], retry);
        into.append(spec, retry, std::span<const Argument>(&argument, 1), prefix);
    }
    into.set_joint(std::move(joint));
    return true;
}

std::optional<Error> place_scan(const CommandSpec& spec, RetryCategory retry, std::span<const Argument> arguments,
                                const KeyPrefix& prefix,
                                const std::function<std::optional<std::uint16_t>(std::uint32_t slot)>& shard_from,
                                EncodedCommands& into) {
    const auto refuse = [](ErrorKind kind, std::string_view why) {
        return Error::of(kind, Certainty::not_sent, Stage::admission, why);
    };
    std::optional<std::uint64_t> cursor;
    if (!arguments.empty() && arguments[0].kind() == Argument::Kind::unsigned_integer) {
        cursor = arguments[0].as_unsigned_integer();
    } else if (!arguments.empty() && arguments[0].kind() == Argument::Kind::text) {
        cursor = base::parse_unsigned<std::uint64_t>(arguments[0].as_text());
    }
    if (!cursor) return refuse(ErrorKind::configuration, "the cursor of SCAN must be a number");
    const auto wanted = static_cast<std::uint16_t>(*cursor >> scan_cursor_bits);
    // Only the first one may have been given for another node.
    const std::optional<std::uint16_t> shard = *cursor == 0 ? shard_from(0) : std::optional(wanted);
    if (!shard) {
        return refuse(ErrorKind::connection,
                      "the nodes of the Cluster are not known yet, so that nothing can be scanned");
    }
    std::vector<Argument> at_node(arguments.begin(), arguments.end());
    at_node.front() = Argument::unsigned_integer(*cursor & most_scan_cursor);
    into.append(spec, retry, at_node, prefix);
    into.set_slot(*shard);
    into.set_joint({Joint::Kind::scan, 1, {}});
    return std::nullopt;
}

}  // namespace redoubt::dispatch
