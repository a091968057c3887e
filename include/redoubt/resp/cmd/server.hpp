// resp: builders of the commands that need no key.
#pragma once

#include <redoubt/resp/cmd/keys.hpp>

namespace redoubt::cmd {

/// `PONG`, or the message.
Command<std::string> ping();
Command<std::string> ping(std::string_view message);
/// The message.
Command<std::string> echo(std::string_view message);
/// What time it is at the server.
Command<std::chrono::sys_time<std::chrono::microseconds>> time();

}  // namespace redoubt::cmd
