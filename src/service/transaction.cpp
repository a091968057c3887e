// service: what transactions of every type share.
#include <redoubt/service/transaction.hpp>

#include <redoubt/resp/command_table.hpp>
#include <redoubt/resp/read_reply.hpp>

namespace redoubt::service {

CommandView multi_command() noexcept {
    static const CommandSpec& spec = *find_command("MULTI");
    return CommandView(spec);
}

CommandView exec_command() noexcept {
    static const CommandSpec& spec = *find_command("EXEC");
    return CommandView(spec);
}

result<std::shared_ptr<isolation::LeasedCalls>> watch(const Handle& handle, std::span<const std::string_view> keys) {
    static const CommandSpec& spec = *find_command("WATCH");
    CommandView command(spec);
    command.add(Argument::keys(keys));
    if (keys.empty()) command.set_invalid("WATCH needs a key");

    auto lease = handle.project->lease(spec.name, handle.options);
    if (!lease) return lease.error();
    SingleReply<Ok> reply(static_cast<Reader<Ok>>(&read_reply));
    SinkOf<SingleReply<Ok>> sink(reply);
    if (auto error = (*lease)->run(command, sink, handle.options)) return *error;
    return std::shared_ptr<isolation::LeasedCalls>(std::move(*lease));
}

std::optional<Error> execute_watched(isolation::LeasedCalls& lease, const Handle& handle,
                                     const EncodedCommands& commands, ReplySink& sink) {
    std::optional<Error> error = lease.run(commands, "MULTI", sink, handle.options);
    // Every answer to EXEC, an error too, has ended MULTI and WATCH; without an answer the connection is closed.
    lease.set_clean(!error);
    return error;
}

}  // namespace redoubt::service
