// admin: one HTTP request and its answer, as the handlers of routes see them; nothing of Beast.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/awaitable.hpp>
#include <boost/json/object.hpp>

#include "admin/event_stream.hpp"

namespace redoubt::admin {

/// What a client asked for. Names and values are decoded bytes, so they may hold anything, NUL too.
struct Request {
    std::string method;                                       ///< `GET`, `PUT`...; that of a HEAD is `HEAD`
    std::vector<std::pair<std::string, std::string>> fields;  ///< of the path: what its `{name}` segments stand for
    std::vector<std::pair<std::string, std::string>> query;   ///< in the order of the request
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;

    /// What `{name}` of the route's pattern stands for; empty for a name that it does not have.
    std::string_view field(std::string_view name) const noexcept;
    /// The first header of that name, in any case; null: there is none.
    const std::string* header(std::string_view name) const noexcept;
};

/// What is answered. The server adds Content-Length, Date, Connection and the security headers that are not here.
struct Response {
    unsigned status = 200;
    std::vector<std::pair<std::string, std::string>> headers;
    std::string body;
    /// Set: the answer is a stream of server-sent events that ends when this is closed; `body` is not used.
    std::shared_ptr<EventStream> stream;

    static Response json(unsigned status, const boost::json::object& value);
    static Response text(unsigned status, std::string_view content_type, std::string body);
    /// `{"error": ..., "message": ...}`: a word for programs, a sentence for people.
    static Response problem(unsigned status, std::string_view error, std::string_view message);

    Response& with(std::string name, std::string value) & {
        headers.emplace_back(std::move(name), std::move(value));
        return *this;
    }
    Response&& with(std::string name, std::string value) && {
        headers.emplace_back(std::move(name), std::move(value));
        return std::move(*this);
    }
};

/// Runs on the server's loop and must not block it. What it throws is answered as problem.hpp says.
using Handler = std::function<boost::asio::awaitable<Response>(Request)>;

}  // namespace redoubt::admin
