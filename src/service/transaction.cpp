// service: what transactions of every type share.
#include <redoubt/service/transaction.hpp>

#include <redoubt/resp/read_reply.hpp>

#include "pool/hold.hpp"
#include "resp/building.hpp"
#include "resp/command_rows.hpp"

namespace redoubt::service {

namespace {

constexpr Reader<Ok> read_ok = &read_reply;

void add_word(Gathered& gathered, const Handle& handle, const CommandSpec& spec) {
    gathered.add(handle, resp::Building<Ok>(spec, read_ok));
}

Command<Ok> watch_of(TextList keys) {
    resp::Building<Ok> command(resp::spec_of("WATCH"), read_ok);
    command.add(Argument::keys(keys));
    if (keys.empty()) command.set_invalid("WATCH needs a key");
    return command;
}

}  // namespace

void add_multi(Gathered& gathered, const Handle& handle) { add_word(gathered, handle, resp::spec_of("MULTI")); }
void add_exec(Gathered& gathered, const Handle& handle) {
    add_word(gathered, handle, resp::spec_of("EXEC"));
    if (!gathered.refused) gathered.refused = handle.project->check_transaction(gathered.commands);
}

void add_watch(Gathered& gathered, const Handle& handle, TextList keys) { gathered.add(handle, watch_of(keys)); }

Error nothing_watched(const Handle& handle) {
    return handle.project->refusal(
        Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                  "the transaction needs what watch() of the same project gave and no other transaction has taken"),
        "MULTI");
}

std::shared_ptr<pool::Hold> make_hold(const std::shared_ptr<isolation::Project>& project) {
    return std::make_shared<pool::Hold>(project->lane(), project);
}

void set_clean(pool::Hold& hold) noexcept { hold.set_clean(); }

result<std::shared_ptr<isolation::LeasedCalls>> watch(const Handle& handle, std::span<const std::string_view> keys) {
    const Command<Ok> command = watch_of(keys);
    SingleReply<Ok> reply(read_ok);
    SinkOf<SingleReply<Ok>> sink(reply);
    auto lease = handle.project->lease_with(command, sink, handle.options());
    if (!lease) return lease.error();
    return std::shared_ptr<isolation::LeasedCalls>(std::move(*lease));
}

std::optional<Error> execute_watched(isolation::LeasedCalls& lease, const Handle& handle,
                                     const EncodedCommands& commands, ReplySink& sink, const bool& ended) {
    std::optional<Error> error = lease.run(commands, "MULTI", sink, handle.options());
    // EXEC that was answered as EXEC has ended MULTI and WATCH; anything else closes the connection.
    lease.set_clean(!error && ended);
    return error;
}

}  // namespace redoubt::service
