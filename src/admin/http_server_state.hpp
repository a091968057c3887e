// admin: what the connections of one HTTP server share.
#pragma once

#include <cstddef>
#include <list>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "admin/http_server.hpp"

namespace redoubt::admin {

class HttpSession;

class HttpServerState : public std::enable_shared_from_this<HttpServerState> {
public:
    HttpServerState(boost::asio::io_context& loop, Access given_access, HttpLimits given_limits);

    boost::asio::awaitable<void> accept_all();
    boost::asio::awaitable<void> drain();
    void close_all();

    const Access access;
    const HttpLimits limits;
    Router router;
    boost::asio::ip::tcp::acceptor acceptor;
    bool draining = false;
    std::size_t streams = 0;

    // Each is in the list while it lives; it takes itself out.
    using Sessions = std::list<HttpSession*>;
    Sessions sessions;
    void session_ended();

private:
    bool make_room();
    /// Until a session ends or the time is over.
    boost::asio::awaitable<void> wait_for_end(Duration at_most);
    boost::asio::steady_timer ended_;
};

}  // namespace redoubt::admin
