// pool: dialing as a user of the server; see the header.
#include "pool/identity.hpp"

#include <condition_variable>
#include <exception>
#include <memory>
#include <mutex>
#include <utility>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::pool {
namespace {

namespace asio = boost::asio;
using connection::DialOutcome;
using Known = std::optional<Identity::Login>;

connection::SessionSettings session_as(const Node& node, const Identity::Login& login) {
    connection::SessionSettings session = node.session();
    session.target.user = login.user;
    session.target.password = login.password;
    return session;
}

/// The server does not know the user, or the user's secret is another one.
bool is_login_refused(const std::optional<Error>& error) {
    return error && error->kind == ErrorKind::authentication && error->stage == Stage::handshake;
}

DialOutcome failed(Error error) { return {connection::Transport{}, std::move(error)}; }

Error no_login() {
    return Error::of(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                     "the project's user at the server was not set up in time");
}

// That there is no user says nothing of the node to which it would log in, so it is no failure of a connection; it may be
// tried again.
Error not_set_up(Error why) {
    if (why.kind == ErrorKind::authentication || why.kind == ErrorKind::configuration) return why;
    Error error =
        Error::with_detail(ErrorKind::pool_exhausted, Certainty::not_sent, Stage::waiting_for_wire,
                           "the project's user at the server could not be set up: " + std::string(why.reason()));
    error.cause = std::make_shared<const Error>(std::move(why));
    return error;
}

/// Nothing when `prepare` has to come before.
result<Known> known_login(Identity& identity, std::uint64_t refused) {
    return refused == 0 ? identity.login() : result<Known>(Known());
}

/// The application's provider of credentials, asked each time.
class Provided final : public Identity {
public:
    explicit Provided(std::function<Credentials()> provider) : provider_(std::move(provider)) {}
    result<Known> login() override {
        try {
            Credentials now = provider_();
            return Known(Login{std::move(now.user), std::move(now.password), 1});
        } catch (const std::exception& broken) {
            return no_credentials(broken.what());
        } catch (...) {
            return no_credentials("something that is no std::exception");
        }
    }
    // Nothing can be done but to ask again.
    void prepare(std::uint64_t, Done done) override { done(std::nullopt); }

private:
    static Error no_credentials(std::string_view why) {
        return Error::with_detail(ErrorKind::configuration, Certainty::not_sent, Stage::connecting,
                                  "credentials_provider failed: " + std::string(why));
    }
    std::function<Credentials()> provider_;
};

std::optional<Error> prepare_blocking(Identity& identity, std::uint64_t refused, TimePoint until) {
    // The answer may come after this has given up.
    struct Answer {
        std::mutex mutex;
        std::condition_variable came;
        std::optional<std::optional<Error>> outcome;
    };
    const auto answer = std::make_shared<Answer>();
    identity.prepare(refused, [answer](std::optional<Error> outcome) {
        const std::lock_guard lock(answer->mutex);
        answer->outcome = std::move(outcome);
        answer->came.notify_one();
    });
    std::unique_lock lock(answer->mutex);
    if (!answer->came.wait_until(lock, until, [&] { return answer->outcome.has_value(); })) return no_login();
    return *answer->outcome;
}

asio::awaitable<std::optional<Error>> prepare_async(Identity& identity, std::uint64_t refused) {
    co_return co_await asio::async_initiate<const asio::use_awaitable_t<>&, void(std::optional<Error>)>(
        [&identity, refused](auto&& handler) {
            using Handler = std::decay_t<decltype(handler)>;
            const auto executor = asio::get_associated_executor(handler);
            // A std::function copies what it holds, and this handler cannot be copied.
            struct Waiting {
                Handler handler;
                asio::executor_work_guard<std::decay_t<decltype(executor)>> work;
            };
            const auto waiting = std::make_shared<Waiting>(
                Waiting{std::forward<decltype(handler)>(handler), asio::make_work_guard(executor)});
            identity.prepare(refused, [waiting](std::optional<Error> outcome) {
                // The coroutine goes on its own loop, whichever thread this is.
                auto loop = waiting->work.get_executor();
                asio::post(loop, [handler = std::move(waiting->handler), outcome = std::move(outcome)]() mutable {
                    std::move(handler)(std::move(outcome));
                });
                waiting->work.reset();
            });
        },
        asio::use_awaitable);
}

}  // namespace

std::shared_ptr<Identity> make_provided_identity(std::function<Credentials()> provider) {
    return provider ? std::make_shared<Provided>(std::move(provider)) : nullptr;
}

DialOutcome dial_as(const Node& node, Identity* identity, TimePoint until) {
    if (identity == nullptr) return connection::dial_blocking(node.session(), node.tls(), until, &node.stop_signal());
    std::uint64_t refused = 0;
    for (;;) {
        result<Known> login = known_login(*identity, refused);
        if (!login) return failed(login.error());
        if (!*login) {
            if (std::optional<Error> error = prepare_blocking(*identity, refused, until)) {
                return failed(not_set_up(std::move(*error)));
            }
            login = identity->login();
            if (!login) return failed(login.error());
            if (!*login) return failed(no_login());
        }
        DialOutcome outcome =
            connection::dial_blocking(session_as(node, **login), node.tls(), until, &node.stop_signal());
        if (refused != 0 || !is_login_refused(outcome.error)) return outcome;
        refused = (*login)->version;
    }
}

asio::awaitable<DialOutcome> async_dial_as(const Node& node, Identity* identity, TimePoint until) {
    if (identity == nullptr) co_return co_await connection::async_dial(node.session(), node.tls(), until);
    std::uint64_t refused = 0;
    for (;;) {
        result<Known> login = known_login(*identity, refused);
        if (!login) co_return failed(login.error());
        if (!*login) {
            std::optional<Error> error = co_await prepare_async(*identity, refused);
            if (error) co_return failed(not_set_up(std::move(*error)));
            login = identity->login();
            if (!login) co_return failed(login.error());
            if (!*login) co_return failed(no_login());
        }
        connection::SessionSettings session = session_as(node, **login);
        DialOutcome outcome = co_await connection::async_dial(std::move(session), node.tls(), until);
        if (refused != 0 || !is_login_refused(outcome.error)) co_return outcome;
        refused = (*login)->version;
    }
}

}  // namespace redoubt::pool
