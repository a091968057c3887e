// tests: one script of typed calls, run on each of the four surfaces, blocking, async, pipeline and transaction, in a
// project of its own; and typed_commands.txt, which says which command is to be found where.
#pragma once

#include <algorithm>
#include <exception>
#include <fstream>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <sstream>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"

namespace redoubt::testing {

/// One line of typed_commands.txt.
struct TypedCommand {
    std::string group;
    std::string name;
    std::string builder;
    std::set<std::string> surfaces;
    std::string exception;
};

/// `[group]`, then `name builder surface,surface,.. [exception in words]`; `#` begins a comment.
inline std::vector<TypedCommand> typed_commands() {
    std::ifstream file(std::string(REDOUBT_SOURCE_DIR) + "/typed_commands.txt");
    std::vector<TypedCommand> commands;
    std::string group;
    for (std::string line; std::getline(file, line);) {
        if (line.empty() || line.front() == '#') continue;
        if (line.front() == '[') {
            group = line.substr(1, line.find(']') - 1);
            continue;
        }
        TypedCommand& command = commands.emplace_back();
        command.group = group;
        std::istringstream words(line);
        std::string surfaces;
        words >> command.name >> command.builder >> surfaces;
        std::getline(words >> std::ws, command.exception);
        std::istringstream list(surfaces);
        for (std::string surface; std::getline(list, surface, ',');) command.surfaces.insert(surface);
    }
    return commands;
}

/// What the surfaces share.
class Surface {
public:
    Surface(std::string name, RedisService& service, EmbeddedServer& server, RawClient& raw)
        : name_(std::move(name)), redis_(service.get_connection("on-" + name_)), server_(server), raw_(raw) {}
    const std::string& name() const noexcept { return name_; }
    const std::set<std::string>& called() const noexcept { return called_; }
    EmbeddedServer& server() noexcept { return server_; }
    RawClient& raw() noexcept { return raw_; }
    /// A key as it is stored.
    std::string stored(std::string_view key) const { return "proj:on-" + name_ + ":" + std::string(key); }

protected:
    const ProjectIsolatedRedisClient& redis() const noexcept { return redis_; }
    void note(std::string_view command) { called_.emplace(command); }

private:
    std::string name_;
    ProjectIsolatedRedisClient redis_;
    EmbeddedServer& server_;
    RawClient& raw_;
    std::set<std::string> called_;
};

class BlockingSurface : public Surface {
public:
    using Surface::Surface;
    template <class Call, class Await>
    auto call(std::string_view command, Call make, Await) {
        note(command);
        return make(redis());
    }
};

class PipelineSurface : public Surface {
public:
    using Surface::Surface;
    template <class Call, class Await>
    auto call(std::string_view command, Call make, Await) {
        note(command);
        return finish(make(redis().pipeline()));
    }

private:
    // Once for each type of reply, not for each call, which the compiler would take minutes for.
    template <class Chain>
    [[gnu::noinline]] static auto finish(Chain&& chain) {
        return std::get<0>(std::move(chain).execute());
    }
};

class TransactionSurface : public Surface {
public:
    using Surface::Surface;
    template <class Call, class Await>
    auto call(std::string_view command, Call make, Await) {
        note(command);
        return finish(make(redis().transaction()));
    }

private:
    template <class Chain>
    [[gnu::noinline]] static auto finish(Chain&& chain) {
        return std::get<0>(std::move(chain).execute().value());
    }
};

class AsyncSurface : public Surface {
public:
    using Surface::Surface;
    template <class Call, class Await>
    auto call(std::string_view command, Call, Await await) {
        note(command);
        std::invoke_result_t<Call, const ProjectIsolatedRedisClient&> reply{};
        finish(await(redis().async(), reply));
        return reply;
    }

private:
    [[gnu::noinline]] static void finish(boost::asio::awaitable<void>&& awaited) {
        boost::asio::io_context loop{1};
        std::exception_ptr failure;
        boost::asio::co_spawn(loop, std::move(awaited),
                              [&](std::exception_ptr outcome) { failure = std::move(outcome); });
        expect_runs_out(loop);
        if (failure) std::rethrow_exception(failure);
    }
};

/// Both servers, both protocols.
class TypedCommandsTest : public ::testing::TestWithParam<std::tuple<std::string, std::string>> {
protected:
    TypedCommandsTest() : server_(options_for(std::get<0>(GetParam()))), raw_(server_) {
        service_ = std::make_unique<RedisService>(quiet_config(server_.url() + "?protocol=" + std::get<1>(GetParam())));
        service_->initialize();
    }

    /// Runs the script everywhere; afterwards exactly the group's commands were called where the file says.
    template <class Script>
    void on_every_surface(const std::string& group, Script script) {
        run<BlockingSurface>("blocking", group, script);
        run<AsyncSurface>("async", group, script);
        run<PipelineSurface>("pipeline", group, script);
        run<TransactionSurface>("transaction", group, script);
    }

private:
    template <class Kind, class Script>
    void run(const std::string& name, const std::string& group, Script& script) {
        SCOPED_TRACE(name);
        Kind surface(name, *service_, server_, raw_);
        try {
            script(surface);
        } catch (const RedisException& failure) {
            ADD_FAILURE() << failure.what();
        }
        std::set<std::string> expected;
        for (const TypedCommand& command : typed_commands()) {
            if (command.group == group && command.surfaces.contains(name)) expected.insert(command.name);
        }
        EXPECT_FALSE(expected.empty()) << group;
        EXPECT_EQ(surface.called(), expected);
    }

    EmbeddedServer server_;
    RawClient raw_;
    std::unique_ptr<RedisService> service_;
};

template <class Items>
Items sorted(Items items) {
    std::sort(items.begin(), items.end());
    return items;
}

}  // namespace redoubt::testing

/// One call on the surface that the script was given, awaited in a coroutine where that is the async one.
#define CALL(name, ...)                                                                                 \
    surface.call(                                                                                       \
        #name, [&](auto&& redis_) { return std::forward<decltype(redis_)>(redis_).name(__VA_ARGS__); }, \
        [&](auto redis_, auto& reply_) -> boost::asio::awaitable<void> {                                \
            reply_ = co_await redis_.name(__VA_ARGS__);                                                 \
        })

#define REDOUBT_TYPED_COMMANDS(suite)                                                                              \
    INSTANTIATE_TEST_SUITE_P(                                                                                      \
        BothServers, suite,                                                                                        \
        ::testing::Combine(::testing::ValuesIn(redoubt::testing::server_programs()), ::testing::Values("2", "3")), \
        [](const auto& parameter) {                                                                                \
            return redoubt::testing::short_name(std::get<0>(parameter.param)) + "_resp" +                          \
                   std::get<1>(parameter.param);                                                                   \
        })
