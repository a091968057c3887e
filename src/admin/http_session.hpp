// admin: one connection of the HTTP server: its requests one after the other, each read, answered and bounded.
#pragma once

#include <memory>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/parser.hpp>

#include "admin/http_server_state.hpp"

namespace redoubt::admin {

class HttpSession : public std::enable_shared_from_this<HttpSession> {
public:
    HttpSession(boost::asio::ip::tcp::socket socket, std::shared_ptr<HttpServerState> server);
    ~HttpSession();
    HttpSession(const HttpSession&) = delete;
    HttpSession& operator=(const HttpSession&) = delete;

    boost::asio::awaitable<void> run(std::shared_ptr<HttpSession> self);

    enum class State { idle, reading, answering, streaming };
    State state() const noexcept { return state_; }
    TimePoint since() const noexcept { return since_; }
    /// The server drains: nothing new is begun.
    void finish();
    void abort() noexcept;

private:
    using HeaderParser = boost::beast::http::request_parser<boost::beast::http::empty_body>;
    enum class Next { keep_alive, close };

    void enter(State state) noexcept;
    boost::asio::awaitable<bool> wait_for_request();
    boost::asio::awaitable<Next> serve_one();
    boost::asio::awaitable<Response> answer(Request request, const Route& route);
    /// Nullopt: the connection is lost.
    boost::asio::awaitable<std::optional<Response>> read_body(HeaderParser& head, Request& request);
    boost::asio::awaitable<Next> write(Response response, bool head_only, unsigned version, bool keep_alive);
    boost::asio::awaitable<void> write_stream(Response response, unsigned version);
    boost::asio::awaitable<void> watch_for_end(std::shared_ptr<HttpSession> self, std::shared_ptr<EventStream> events);
    /// So that an answer to a request that was not read to its end is not lost with what still comes.
    boost::asio::awaitable<void> linger();

    std::shared_ptr<HttpServerState> server_;
    boost::beast::tcp_stream stream_;
    boost::beast::flat_buffer buffer_;
    State state_ = State::idle;
    TimePoint since_ = Clock::now();
    std::shared_ptr<EventStream> events_;
    HttpServerState::Sessions::iterator place_;
};

}  // namespace redoubt::admin
