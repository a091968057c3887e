// service: the methods of every surface, made from the one list in commands.inc. A surface inherits a mixin and
// says what it does with a `Command<T>`.
#pragma once

#include <utility>

#include <redoubt/resp/cmd.hpp>

namespace redoubt {

/// `redis.get(key)`: each method returns what `self().invoke(command)` does. Self derives from this.
template <class Self>
class Commands {
public:
#define REDOUBT_COMMAND(name, parameters, arguments) \
    decltype(auto) name parameters const { return self().invoke(cmd::name arguments); }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND

private:
    const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

/// `redis.try_get(key)`: each method returns what `self().try_invoke(command)` does.
template <class Self>
class TryCommands {
public:
#define REDOUBT_COMMAND(name, parameters, arguments) \
    decltype(auto) try_##name parameters const { return self().try_invoke(cmd::name arguments); }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND

private:
    const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

/// `redis.pipeline().get(a).incr(b)`: each method consumes the object that it is called on, so that the next one
/// can have another type.
template <class Self>
class ChainCommands {
public:
#define REDOUBT_COMMAND(name, parameters, arguments) \
    decltype(auto) name parameters&& { return std::move(self()).invoke(cmd::name arguments); }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace redoubt
