// resp: builders of the commands on bits and bitfields.
#include "resp/cmd_support.hpp"

namespace redoubt::cmd {
namespace {

std::string_view name_of(BitOperator join) {
    switch (join) {
        case BitOperator::bit_and: return "AND";
        case BitOperator::bit_or: return "OR";
        case BitOperator::bit_xor: break;
    }
    return "XOR";
}

/// Reads alone change nothing; SET says what was there before, INCRBY adds.
RetryCategory category_of(BitfieldList operations) {
    RetryCategory category = RetryCategory::read_only;
    for (const BitfieldOperation& operation : operations) {
        if (operation.kind == BitfieldOperation::Kind::set) category = std::max(category, RetryCategory::conditional);
        if (operation.kind == BitfieldOperation::Kind::incrby) return RetryCategory::accumulating;
    }
    return category;
}

template <class Reply>
Building<Reply> build_bitfield(const CommandSpec& spec, std::string_view of_key, BitfieldList operations) {
    auto command = build<Reply>(spec, key(of_key), Argument::bitfield(operations));
    if (operations.empty()) command.set_invalid("it needs at least one operation");
    for (const auto& [kind, type, overflow, by_width, offset, value] : operations) {
        const int most = type.is_signed ? 64 : 63;
        if (type.bits < 1 || type.bits > most) {
            command.set_invalid("an integer of a bitfield has 1 to 64 bits, an unsigned one 1 to 63");
        }
    }
    command.set_retry(category_of(operations));
    return command;
}

}  // namespace

Command<bool> setbit(std::string_view of_key, std::uint32_t offset, bool bit) {
    return build<bool>(spec_of("SETBIT"), key(of_key), number(offset), number(bit ? 1 : 0));
}
Command<bool> getbit(std::string_view of_key, std::uint32_t offset) {
    return build<bool>(spec_of("GETBIT"), key(of_key), number(offset));
}
Command<std::int64_t> bitcount(std::string_view of_key) {
    return build<std::int64_t>(spec_of("BITCOUNT"), key(of_key));
}
Command<std::int64_t> bitcount(std::string_view of_key, std::int64_t start, std::int64_t end, BitUnit unit) {
    auto command = build<std::int64_t>(spec_of("BITCOUNT"), key(of_key), number(start), number(end));
    if (unit == BitUnit::bit) command.add(text("BIT"));
    return command;
}
Command<std::int64_t> bitpos(std::string_view of_key, bool bit) {
    return build<std::int64_t>(spec_of("BITPOS"), key(of_key), number(bit ? 1 : 0));
}
Command<std::int64_t> bitpos(std::string_view of_key, bool bit, std::int64_t start, std::int64_t end, BitUnit unit) {
    auto command = build<std::int64_t>(spec_of("BITPOS"), key(of_key), number(bit ? 1 : 0), number(start), number(end));
    if (unit == BitUnit::bit) command.add(text("BIT"));
    return command;
}
Command<std::int64_t> bitop(BitOperator join, std::string_view destination, TextList sources) {
    auto command =
        build<std::int64_t>(spec_of("BITOP"), text(name_of(join)), key(destination), Argument::keys(sources));
    if (sources.empty()) command.set_invalid("it needs at least one source");
    // XOR with the destination among the sources takes away again what it has added.
    refine_store(command, destination, sources);
    return command;
}
Command<std::int64_t> bitop(BitOperator join, std::string_view destination, TextBraces sources) {
    return bitop(join, destination, list_of(sources));
}
Command<std::int64_t> bitop_not(std::string_view destination, std::string_view source) {
    auto command = build<std::int64_t>(spec_of("BITOP"), text("NOT"), key(destination), key(source));
    refine_store(command, destination, {&source, 1});
    return command;
}
Command<std::vector<std::optional<std::int64_t>>> bitfield(std::string_view of_key, BitfieldList operations) {
    return build_bitfield<std::vector<std::optional<std::int64_t>>>(spec_of("BITFIELD"), of_key, operations);
}
Command<std::vector<std::optional<std::int64_t>>> bitfield(std::string_view of_key, BitfieldBraces operations) {
    return bitfield(of_key, BitfieldList{operations.begin(), operations.size()});
}
Command<std::vector<std::int64_t>> bitfield_ro(std::string_view of_key, BitfieldList operations) {
    auto command = build_bitfield<std::vector<std::int64_t>>(spec_of("BITFIELD_RO"), of_key, operations);
    if (command.retry() != RetryCategory::read_only) command.set_invalid("it only reads; to write, use bitfield()");
    command.set_retry(RetryCategory::read_only);
    return command;
}
Command<std::vector<std::int64_t>> bitfield_ro(std::string_view of_key, BitfieldBraces operations) {
    return bitfield_ro(of_key, BitfieldList{operations.begin(), operations.size()});
}

}  // namespace redoubt::cmd
