// embedded: what a group of servers is asked while it comes up, and the wait until the answers are right.
#pragma once

#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include <redoubt/base/clock.hpp>
#include <redoubt/embedded/embedded_server.hpp>

namespace redoubt::embedded {

/// Where to ask, and with which password; stays the same while the server is restarted.
struct Place {
    std::string socket;
    std::string password;
};

/// One command on a connection of its own; the strings of its reply, depth first.
/// @throws std::exception when the server does not answer, or answers with an error
std::vector<std::string> ask(const Place& place, std::initializer_list<std::string_view> words);
/// The same, with the one string of the reply; empty when there is none.
std::string ask_one(const Place& place, std::initializer_list<std::string_view> words);
/// What `ask` threw becomes a RedisConnectionException that names the step.
void ask_or_raise(const Place& place, std::string_view step, std::initializer_list<std::string_view> words);

/// One field of a text such as INFO's, `name:value` a line; empty when it is not there.
std::string field_of(std::string_view text, std::string_view name);

/// Looks again and again until `look` returns an empty text; what it throws, and what it returns, is what is missing.
/// @throws RedisOperationTimeoutException with what was missing last
void wait_until(std::string_view what, Duration patience, const std::function<std::string()>& look);

}  // namespace redoubt::embedded
