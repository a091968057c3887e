// dispatch: splitting commands; see the header.
#include "dispatch/split_command.hpp"

#include <array>
#include <map>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace redoubt::dispatch {
namespace {

using Joint = EncodedCommands::Joint;

struct Splittable {
    std::string_view name;
    Joint::Kind kind;
};
constexpr std::array splittable{
    Splittable{"MGET", Joint::Kind::values},  Splittable{"MSET", Joint::Kind::ok},   Splittable{"DEL", Joint::Kind::sum},
    Splittable{"UNLINK", Joint::Kind::sum},   Splittable{"EXISTS", Joint::Kind::sum},
    Splittable{"TOUCH", Joint::Kind::sum},
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

}  // namespace redoubt::dispatch
