// admin: the HTTP server: accepts, bounds how many are served and for how long, drains.
#pragma once

#include <cstddef>
#include <memory>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include <redoubt/base/clock.hpp>

#include "admin/access.hpp"
#include "admin/router.hpp"

namespace redoubt::admin {

using namespace std::chrono_literals;

/// What one client, or many, may take.
struct HttpLimits {
    std::size_t max_connections = 128;        ///< past it the longest idle one is closed; if none is, new ones wait
    std::size_t max_streams = 16;             ///< of events; past it 503
    std::size_t max_header_bytes = 16 << 10;  ///< request line and headers; past it 431
    std::size_t max_body_bytes = 1 << 20;     ///< past it 413
    Duration idle_timeout = 60s;              ///< between two requests of a connection
    Duration header_timeout = 10s;            ///< from the first byte of a request to the end of its headers
    Duration body_timeout = 30s;              ///< of the whole body
    Duration write_timeout = 30s;             ///< of one answer, and of one piece of a stream
    Duration drain_timeout = 5s;              ///< `drain`: for what is under way
};

class HttpServerState;

/// HTTP/1.1 on one loop that one thread runs. Destroying it closes everything at once.
class HttpServer {
public:
    HttpServer(boost::asio::io_context& loop, Access access, HttpLimits limits);
    ~HttpServer();
    HttpServer(const HttpServer&) = delete;
    HttpServer& operator=(const HttpServer&) = delete;

    /// Before `listen`.
    Router& routes() noexcept;
    /// @throws boost::system::system_error when the address cannot be had
    void listen(const boost::asio::ip::tcp::endpoint& address);
    /// With the port that the system chose where 0 was asked for.
    boost::asio::ip::tcp::endpoint endpoint() const;
    std::size_t connections() const noexcept;

    /// Accepts no more, closes idle connections, ends streams, lets requests under way finish for `drain_timeout`, and
    /// closes what is left. On the loop.
    boost::asio::awaitable<void> drain();
    bool is_draining() const noexcept;

private:
    std::shared_ptr<HttpServerState> state_;
};

}  // namespace redoubt::admin
