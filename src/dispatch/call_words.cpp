// dispatch: a watched call in words; see the header.
#include "dispatch/call_words.hpp"

#include <algorithm>

#include <redoubt/resp/command_table.hpp>

#include "dispatch/encoded_words.hpp"
#include "dispatch/first_key.hpp"

namespace redoubt::dispatch {
namespace {

constexpr std::string_view cut = "...";

}  // namespace

void describe_commands(CallInfo& call, std::string_view encoded, std::uint32_t count, bool atomic) noexcept {
    const std::uint32_t around = atomic && count >= 2 ? 1 : 0;
    call.commands = count - 2 * around;
    // One that is sent alone has its name already, unless it is alone in a pipeline.
    if (count == 0 || (count == 1 && call.operation != "PIPELINE")) return;
    NamesPosition at;
    for (std::uint32_t i = around; i != count - around; ++i) {
        const std::string_view name = command_name(encoded, i, at);
        if (i == around) {
            call.each = name;
        } else if (name != call.each) {
            call.each = {};
            return;
        }
    }
}

std::string redacted(std::string_view encoded, std::size_t most) {
    std::string out;
    EncodedWords words(encoded);
    while (!words.at_end() && out.size() <= most) {
        if (!out.empty()) out += "; ";
        const std::size_t count = words.number('*');
        const std::string_view name = words.word();
        const std::string_view second = count > 1 ? words.word() : std::string_view();
        const CommandSpec* const spec = find_command(name, second);
        // What is not in the table is no command of ours, and may be anything.
        out += spec != nullptr ? spec->name : std::string_view("?");
        for (std::size_t i = spec != nullptr ? spec->words : 1; i < count && out.size() <= most; ++i) out += " ?";
        for (std::size_t i = 2; i < count && !words.at_end(); ++i) (void)words.word();
    }
    if (out.size() > most) {
        out.resize(most - std::min(most, cut.size()));
        out += cut.substr(0, most);
    }
    return out;
}

std::string RequestText::redacted(std::size_t most) const {
    std::string bytes(request_.encoded_bound(), '\0');
    bytes.resize(static_cast<std::size_t>(request_.encode(bytes.data()) - bytes.data()));
    return dispatch::redacted(bytes, most);
}

}  // namespace redoubt::dispatch
