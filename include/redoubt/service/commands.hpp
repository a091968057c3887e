// service: the methods of every surface, made from the one list in commands.inc. A surface inherits a mixin and
// says what it does with a `Command<T>`.
#pragma once

#include <array>
#include <concepts>
#include <string_view>
#include <utility>

#include <redoubt/resp/cmd.hpp>

namespace redoubt {

namespace service {
template <class T>
concept Text = std::convertible_to<const T&, std::string_view>;
}

/// `redis.get(key)`: each method returns what `self().invoke(command)` does. Self derives from this.
template <class Self>
class Commands {
public:
#define REDOUBT_COMMAND(name, parameters, arguments) \
    decltype(auto) name parameters const { return self().invoke(cmd::name arguments); }
#define REDOUBT_KEYS_COMMAND(name)                                                     \
    template <service::Text... Words>                                                  \
    requires(sizeof...(Words) >= 2) decltype(auto) name(const Words&... words) const { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};            \
        return self().invoke(cmd::name(TextList(run)));                                \
    }
#define REDOUBT_MEMBERS_COMMAND(name)                                                                        \
    template <service::Text... Words>                                                                        \
    requires(sizeof...(Words) >= 2) decltype(auto) name(std::string_view key, const Words&... words) const { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};                                  \
        return self().invoke(cmd::name(key, TextList(run)));                                                 \
    }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND

private:
    const Self& self() const noexcept { return static_cast<const Self&>(*this); }
};

/// `redis.try_get(key)`: each method returns what `self().try_invoke(command)` does.
template <class Self>
class TryCommands {
public:
#define REDOUBT_COMMAND(name, parameters, arguments) \
    decltype(auto) try_##name parameters const { return self().try_invoke(cmd::name arguments); }
#define REDOUBT_KEYS_COMMAND(name)                                                           \
    template <service::Text... Words>                                                        \
    requires(sizeof...(Words) >= 2) decltype(auto) try_##name(const Words&... words) const { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};                  \
        return self().try_invoke(cmd::name(TextList(run)));                                  \
    }
#define REDOUBT_MEMBERS_COMMAND(name)                                                                              \
    template <service::Text... Words>                                                                              \
    requires(sizeof...(Words) >= 2) decltype(auto) try_##name(std::string_view key, const Words&... words) const { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};                                        \
        return self().try_invoke(cmd::name(key, TextList(run)));                                                   \
    }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND

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
#define REDOUBT_KEYS_COMMAND(name)                                                 \
    template <service::Text... Words>                                              \
    requires(sizeof...(Words) >= 2) decltype(auto) name(const Words&... words)&& { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};        \
        return std::move(self()).invoke(cmd::name(TextList(run)));                 \
    }
#define REDOUBT_MEMBERS_COMMAND(name)                                                                    \
    template <service::Text... Words>                                                                    \
    requires(sizeof...(Words) >= 2) decltype(auto) name(std::string_view key, const Words&... words)&& { \
        const std::array<std::string_view, sizeof...(Words)> run{words...};                              \
        return std::move(self()).invoke(cmd::name(key, TextList(run)));                                  \
    }
#include <redoubt/service/commands.inc>
#undef REDOUBT_COMMAND
#undef REDOUBT_KEYS_COMMAND
#undef REDOUBT_MEMBERS_COMMAND

private:
    Self& self() noexcept { return static_cast<Self&>(*this); }
};

}  // namespace redoubt
