// admin: one connection of the HTTP server; see the header.
#include "admin/http_session.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <utility>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <boost/asio/buffer.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/http/chunk_encode.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/beast/http/string_body.hpp>
#include <boost/beast/http/write.hpp>

#include "admin/problem.hpp"
#include "admin/target.hpp"
#include "base/text_values.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using boost::system::error_code;

constexpr std::size_t read_size = 16u << 10;
constexpr std::size_t longest_linger_bytes = 16u << 20;
constexpr Duration longest_linger = 1s;

auto into(error_code& error) { return asio::redirect_error(asio::use_awaitable, error); }

/// `Sun, 06 Nov 1994 08:49:37 GMT`.
std::string http_date() { return fmt::format("{:%a, %d %b %Y %H:%M:%S} GMT", fmt::gmtime(std::time(nullptr))); }

bool is_timeout_or_end(const error_code& error) {
    return error == beast::error::timeout || error == http::error::end_of_stream ||
           error == http::error::partial_message || error.category() == asio::error::get_system_category() ||
           error.category() == asio::error::get_misc_category();
}

/// What is wrong with a request that cannot be read.
Response unreadable(const error_code& error) {
    if (error == http::error::header_limit || error == http::error::buffer_overflow) {
        return Response::problem(431, "headers_too_large", "the request line and the headers are too long");
    }
    if (error == http::error::body_limit) {
        return Response::problem(413, "body_too_large", "the body is longer than is taken here");
    }
    if (error == http::error::bad_version) {
        return Response::problem(505, "bad_version", "only HTTP/1.0 and HTTP/1.1 are spoken here");
    }
    return Response::problem(400, "bad_request", fmt::format("the request cannot be read: {}", error.message()));
}

template <class Parser>
Request request_of(const Parser& parser) {
    Request request;
    request.method = std::string(parser.get().method_string());
    for (const auto& header : parser.get()) {
        request.headers.emplace_back(std::string(header.name_string()), std::string(header.value()));
    }
    return request;
}

/// What every answer says unless its route says otherwise: it is no page, is kept by nobody, and no other site uses it.
constexpr std::pair<std::string_view, std::string_view> standard_headers[] = {
    {"Cache-Control", "no-store"},
    {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
    {"Cross-Origin-Resource-Policy", "same-origin"},
    {"Referrer-Policy", "no-referrer"},
    {"X-Content-Type-Options", "nosniff"},
};

template <class Message>
void fill_head(Message& message, const Response& response) {
    message.result(response.status);
    for (const auto& [name, value] : standard_headers) {
        message.set(beast::string_view(name.data(), name.size()), beast::string_view(value.data(), value.size()));
    }
    message.set(http::field::date, http_date());
    // Once each, replacing what is standard; but a route may say one name several times.
    for (const auto& [name, value] : response.headers) message.erase(name);
    for (const auto& [name, value] : response.headers) message.insert(name, value);
}

/// Only while it lives is a stream counted.
class StreamCount {
public:
    explicit StreamCount(std::size_t& count) : count_(count) { ++count_; }
    ~StreamCount() { --count_; }
    StreamCount(const StreamCount&) = delete;
    StreamCount& operator=(const StreamCount&) = delete;

private:
    std::size_t& count_;
};

}  // namespace

HttpSession::HttpSession(asio::ip::tcp::socket socket, std::shared_ptr<HttpServerState> server)
    : server_(std::move(server)),
      stream_(std::move(socket)),
      buffer_(2 * server_->limits.max_header_bytes + (64u << 10)),
      place_(server_->sessions.insert(server_->sessions.end(), this)) {}

HttpSession::~HttpSession() {
    server_->sessions.erase(place_);
    server_->session_ended();
}

void HttpSession::enter(State state) noexcept {
    state_ = state;
    since_ = Clock::now();
}

void HttpSession::finish() {
    if (state_ == State::idle) return abort();
    if (events_) events_->close();
}

void HttpSession::abort() noexcept {
    if (events_) events_->close();
    stream_.close();
}

asio::awaitable<void> HttpSession::run(std::shared_ptr<HttpSession> /*keeps this alive*/) {
    error_code ignored;
    stream_.socket().set_option(asio::ip::tcp::no_delay(true), ignored);
    while (co_await wait_for_request()) {
        if (co_await serve_one() == Next::close) break;
    }
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_both, ignored);
}

asio::awaitable<bool> HttpSession::wait_for_request() {
    if (server_->draining && buffer_.size() == 0) co_return false;
    enter(State::idle);
    if (buffer_.size() != 0) co_return true;  // sent behind the last one
    stream_.expires_after(server_->limits.idle_timeout);
    error_code error;
    const std::size_t size = co_await stream_.async_read_some(buffer_.prepare(read_size), into(error));
    buffer_.commit(size);
    co_return !error;
}

asio::awaitable<HttpSession::Next> HttpSession::serve_one() {
    enter(State::reading);
    HeaderParser head;
    head.header_limit(static_cast<std::uint32_t>(server_->limits.max_header_bytes));
    head.body_limit(boost::none);  // looked at below, when it is known who asks for what
    stream_.expires_after(server_->limits.header_timeout);
    error_code error;
    co_await http::async_read_header(stream_, buffer_, head, into(error));
    if (error) {
        if (is_timeout_or_end(error)) co_return Next::close;
        co_await write(unreadable(error), false, 11, false);
        co_await linger();
        co_return Next::close;
    }

    const unsigned version = head.get().version();
    Request request = request_of(head);
    const bool head_only = request.method == "HEAD";
    const bool has_body = !head.is_done();
    std::optional<Response> refused;
    const Route* route = nullptr;
    const auto target = parse_target(head.get().target());
    Router::Found found;
    if (version != 10 && version != 11) {
        refused = unreadable(http::error::bad_version);
    } else if (version == 11 && request.header("Host") == nullptr) {
        refused = Response::problem(400, "bad_request", "the request has no Host header");
    } else if (!target) {
        refused = Response::problem(400, "bad_request",
                                    "the request's target is no path, or has a % without two hexadecimal digits");
    } else {
        found = server_->router.find(request.method, target->segments);
        route = found.route;
        // Who may not know anything does not learn which routes there are either.
        refused = server_->access.refuse(request, route == nullptr || route->needs_token);
        if (!refused && route == nullptr) {
            refused = found.allow.empty()
                          ? Response::problem(404, "no_such_route", "there is nothing at this path")
                          : Response::problem(405, "method_not_allowed", "this path takes " + found.allow + " only")
                                .with("Allow", found.allow);
        }
    }
    if (!refused && has_body) refused = co_await read_body(head, request);
    if (refused) {
        const bool usable = !has_body && head.keep_alive() && refused->status != 400;
        const Next next = co_await write(std::move(*refused), head_only, version, usable);
        if (next == Next::close) co_await linger();
        co_return next;
    }
    if (!stream_.socket().is_open()) co_return Next::close;  // lost while the body was read

    enter(State::answering);
    request.fields = std::move(found.fields);
    request.query = std::move(target->query);
    Response response = co_await answer(std::move(request), *route);
    if (response.stream && !head_only) {
        co_await write_stream(std::move(response), version);
        co_return Next::close;
    }
    if (response.stream) response.stream->close();
    co_return co_await write(std::move(response), head_only, version, head.keep_alive());
}

asio::awaitable<std::optional<Response>> HttpSession::read_body(HeaderParser& head, Request& request) {
    const std::size_t limit = server_->limits.max_body_bytes;
    if (head.content_length() && *head.content_length() > limit) {
        co_return Response::problem(413, "body_too_large", fmt::format("at most {} bytes are taken here", limit));
    }
    error_code error;
    if (const std::string* expected = request.header("Expect")) {
        if (!base::equals_ignoring_case(*expected, "100-continue")) {
            co_return Response::problem(417, "expectation_failed", "only Expect: 100-continue is met here");
        }
        static constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";
        stream_.expires_after(server_->limits.write_timeout);
        co_await asio::async_write(stream_, asio::buffer(go_on), into(error));
    }
    http::request_parser<http::string_body> body(std::move(head));
    body.body_limit(limit);
    if (!error) {
        stream_.expires_after(server_->limits.body_timeout);
        co_await http::async_read(stream_, buffer_, body, into(error));
    }
    if (error) {
        if (!is_timeout_or_end(error)) co_return unreadable(error);
        stream_.close();
        co_return std::nullopt;
    }
    request.body = std::move(body.get().body());
    co_return std::nullopt;
}

asio::awaitable<Response> HttpSession::answer(Request request, const Route& route) {
    std::exception_ptr thrown;
    try {
        Response response = co_await route.handler(std::move(request));
        if (!response.stream || server_->streams < server_->limits.max_streams) co_return response;
        response.stream->close();
        co_return Response::problem(503, "too_many_streams", "as many streams are open as are allowed")
            .with("Retry-After", "5");
    } catch (...) {
        thrown = std::current_exception();
    }
    co_return problem_of(thrown);
}

asio::awaitable<HttpSession::Next> HttpSession::write(Response response, bool head_only, unsigned version,
                                                      bool keep_alive) {
    const bool stays = keep_alive && !server_->draining;
    const bool has_body = response.status != 204 && response.status != 304;
    error_code error;
    stream_.expires_after(server_->limits.write_timeout);
    if (head_only || !has_body) {
        http::response<http::empty_body> message;
        http::response_serializer<http::empty_body> serializer(message);
        message.version(version);
        fill_head(message, response);
        message.keep_alive(stays);
        if (has_body) message.content_length(response.body.size());
        co_await http::async_write_header(stream_, serializer, into(error));
    } else {
        std::string body = std::move(response.body);
        response.body.clear();
        http::response<http::string_body> message;
        message.body() = std::move(body);
        message.version(version);
        fill_head(message, response);
        message.keep_alive(stays);
        message.prepare_payload();
        co_await http::async_write(stream_, message, into(error));
    }
    co_return !error && stays ? Next::keep_alive : Next::close;
}

asio::awaitable<void> HttpSession::write_stream(Response response, unsigned version) {
    enter(State::streaming);
    const StreamCount counted(server_->streams);
    events_ = response.stream;
    if (server_->draining) events_->close();
    const bool chunked = version == 11;
    error_code error;
    http::response<http::empty_body> message;
    http::response_serializer<http::empty_body> serializer(message);
    message.version(version);
    fill_head(message, response);
    message.keep_alive(false);
    message.chunked(chunked);
    stream_.expires_after(server_->limits.write_timeout);
    co_await http::async_write_header(stream_, serializer, into(error));
    if (error == http::error::end_of_stream) error = {};  // `Connection: close` ends the message, not yet the stream
    if (!error) asio::co_spawn(stream_.get_executor(), watch_for_end(shared_from_this(), events_), asio::detached);
    while (!error) {
        const std::string text = co_await events_->next();
        if (text.empty()) break;
        stream_.expires_after(server_->limits.write_timeout);
        if (chunked) {
            const auto chunk = http::make_chunk(asio::buffer(text));
            co_await asio::async_write(stream_, chunk, into(error));
        } else {
            co_await asio::async_write(stream_, asio::buffer(text), into(error));
        }
    }
    if (!error && chunked) {
        stream_.expires_after(server_->limits.write_timeout);
        const auto last = http::make_chunk_last();
        co_await asio::async_write(stream_, last, into(error));
    }
    events_->close();
    // The end of the watch, too.
    error_code ignored;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, ignored);
    stream_.close();
}

asio::awaitable<void> HttpSession::watch_for_end(std::shared_ptr<HttpSession> /*keeps this alive*/,
                                                 std::shared_ptr<EventStream> events) {
    std::size_t left = longest_linger_bytes;
    error_code error;
    while (!error && left != 0) {
        std::array<char, 1024> nothing{};  // a client has nothing more to say
        if (!stream_.socket().is_open()) break;
        stream_.expires_never();
        left -= std::min(left, co_await stream_.async_read_some(asio::buffer(nothing), into(error)));
    }
    events->close();
}

asio::awaitable<void> HttpSession::linger() {
    error_code error;
    stream_.socket().shutdown(asio::ip::tcp::socket::shutdown_send, error);
    std::size_t left = longest_linger_bytes;
    stream_.expires_after(longest_linger);
    while (!error && left != 0) {
        buffer_.clear();
        left -= std::min(left, co_await stream_.async_read_some(buffer_.prepare(read_size), into(error)));
    }
}

}  // namespace redoubt::admin
