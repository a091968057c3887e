// admin: the HTTP server; see the header.
#include "admin/http_server.hpp"

#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "admin/http_server_state.hpp"
#include "admin/http_session.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
using boost::system::error_code;

// Whoever has not finished a request's headers after this may have to make room for others.
constexpr Duration slow_header = 1s;
// When the system has no descriptor for a new connection.
constexpr Duration accept_pause = 100ms;
constexpr Duration closing_time = 500ms;

}  // namespace

HttpServerState::HttpServerState(asio::io_context& loop, Access given_access, HttpLimits given_limits)
    : access(std::move(given_access)), limits(given_limits), acceptor(loop), ended_(loop) {}

void HttpServerState::session_ended() { ended_.cancel(); }

asio::awaitable<void> HttpServerState::wait_for_end(Duration at_most) {
    error_code ignored;
    ended_.expires_after(at_most);
    co_await ended_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

bool HttpServerState::make_room() {
    HttpSession* oldest = nullptr;
    const TimePoint now = Clock::now();
    for (HttpSession* session : sessions) {
        const bool idle = session->state() == HttpSession::State::idle;
        const bool slow = session->state() == HttpSession::State::reading && now - session->since() > slow_header;
        if (!idle && !slow) continue;
        if (oldest == nullptr || session->since() < oldest->since()) oldest = session;
    }
    if (oldest == nullptr) return false;
    oldest->abort();
    return true;
}

asio::awaitable<void> HttpServerState::accept_all() {
    const auto self = shared_from_this();
    while (acceptor.is_open()) {
        error_code error;
        asio::ip::tcp::socket socket = co_await acceptor.async_accept(asio::redirect_error(asio::use_awaitable, error));
        if (!acceptor.is_open()) co_return;
        if (error) {
            co_await wait_for_end(accept_pause);
            continue;
        }
        while (sessions.size() >= limits.max_connections && !draining) {
            (void)make_room();
            co_await wait_for_end(accept_pause);
        }
        if (draining) co_return;
        const auto session = std::make_shared<HttpSession>(std::move(socket), self);
        asio::co_spawn(acceptor.get_executor(), session->run(session), asio::detached);
    }
}

asio::awaitable<void> HttpServerState::drain() {
    const auto self = shared_from_this();
    draining = true;
    error_code ignored;
    acceptor.close(ignored);
    for (HttpSession* session : sessions) session->finish();
    const TimePoint until = Clock::now() + limits.drain_timeout;
    while (!sessions.empty() && Clock::now() < until) co_await wait_for_end(until - Clock::now());
    close_all();
    // What was closed ends in the next turns of the loop, but for a handler that still waits for its own answer.
    const TimePoint last = Clock::now() + closing_time;
    while (!sessions.empty() && Clock::now() < last) co_await wait_for_end(last - Clock::now());
}

void HttpServerState::close_all() {
    draining = true;
    error_code ignored;
    acceptor.close(ignored);
    for (HttpSession* session : sessions) session->abort();
    ended_.cancel();
}

HttpServer::HttpServer(asio::io_context& loop, Access access, HttpLimits limits)
    : state_(std::make_shared<HttpServerState>(loop, std::move(access), limits)) {}

HttpServer::~HttpServer() { state_->close_all(); }

Router& HttpServer::routes() noexcept { return state_->router; }

void HttpServer::listen(const asio::ip::tcp::endpoint& address) {
    auto& acceptor = state_->acceptor;
    acceptor.open(address.protocol());
    acceptor.set_option(asio::socket_base::reuse_address(true));
    acceptor.bind(address);
    acceptor.listen();
    asio::co_spawn(acceptor.get_executor(), state_->accept_all(), asio::detached);
}

asio::ip::tcp::endpoint HttpServer::endpoint() const { return state_->acceptor.local_endpoint(); }

std::size_t HttpServer::connections() const noexcept { return state_->sessions.size(); }

asio::awaitable<void> HttpServer::drain() { return state_->drain(); }

bool HttpServer::is_draining() const noexcept { return state_->draining; }

}  // namespace redoubt::admin
