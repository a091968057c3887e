// admin: the HTTP server with clients that are well-behaved, slow, broken, greedy or gone; bytes by bare sockets.
#include <array>
#include <memory>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/base/exceptions.hpp>

#include "support/http_rig.hpp"
#include "support/processes.hpp"

namespace redoubt::admin {
namespace {

namespace asio = boost::asio;
using testing::eventually;
using testing::HttpAnswer;
using testing::HttpClient;
using testing::HttpRig;

/// Holds the requests to `/wait` until it is opened; on the loop.
struct Gate {
    explicit Gate(asio::io_context& loop) : timer(loop, asio::steady_timer::time_point::max()) {}
    asio::awaitable<void> pass() {
        boost::system::error_code ignored;
        ++waiting;
        while (!open) co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
    asio::steady_timer timer;
    int waiting = 0;
    bool open = false;
};

class Http : public ::testing::Test {
protected:
    void start(HttpLimits limits = {}, std::string token = {}) {
        rig = std::make_unique<HttpRig>([this](Router& router, asio::io_context& loop) { add_routes(router, loop); },
                                        limits, std::move(token));
    }
    ~Http() override {
        if (rig) rig->drain().get();
        gate.reset();  // both have timers of the rig's loop
        events.reset();
    }
    void add_routes(Router& router, asio::io_context& loop) {
        gate = std::make_shared<Gate>(loop);
        router.add({"GET", "/hello", [](Request) -> asio::awaitable<Response> {
                        co_return Response::text(200, "text/plain", "hello");
                    }});
        router.add({"PUT", "/echo/{name}", [](Request request) -> asio::awaitable<Response> {
                        std::string text = std::string(request.field("name")) + "=" + request.body;
                        co_return Response::text(200, "application/octet-stream", std::move(text));
                    }});
        router.add({"GET", "/big", [](Request) -> asio::awaitable<Response> {
                        co_return Response::text(200, "text/plain", std::string(16u << 20, 'x'));
                    }});
        router.add({"GET", "/open",
                    [](Request) -> asio::awaitable<Response> {
                        co_return Response::text(200, "text/plain", "open").with("Content-Security-Policy", "own");
                    },
                    false});
        router.add({"GET", "/wait", [held = gate](Request) -> asio::awaitable<Response> {
                        co_await held->pass();
                        co_return Response::text(200, "text/plain", "waited");
                    }});
        router.add({"GET", "/fails/{how}", [](Request request) -> asio::awaitable<Response> {
                        if (request.field("how") == "here") throw std::runtime_error("a secret");
                        Error error = Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission, "open");
                        error.retry_after = 1500ms;
                        raise(error);
                        co_return Response{};
                    }});
        router.add({"GET", "/events", [this, &loop](Request) -> asio::awaitable<Response> {
                        Response response;
                        response.headers.emplace_back("Content-Type", "text/event-stream");
                        response.stream = std::make_shared<EventStream>(loop.get_executor(), 1u << 20);
                        response.stream->push("data: first\n\n");
                        response.stream->on_close([this] { ++closed_streams; });
                        events = response.stream;
                        co_return response;
                    }});
    }
    void open_gate() {
        rig->on_loop([this] {
            gate->open = true;
            gate->timer.cancel();
            return 0;
        });
    }
    bool is_waiting(int callers = 1) {
        return eventually([&] { return rig->on_loop([this] { return gate->waiting; }) == callers; });
    }
    bool push(const std::string& text) {
        return rig->on_loop([&] { return events->push(text); });
    }
    int closed() {
        return rig->on_loop([this] { return closed_streams; });
    }
    void expect_alive() { EXPECT_EQ(rig->get("/hello").body, "hello"); }

    std::shared_ptr<Gate> gate;
    std::shared_ptr<EventStream> events;
    int closed_streams = 0;
    std::unique_ptr<HttpRig> rig;  // last: its thread uses what is above
};

TEST_F(Http, AnswersRequestsOfOneConnectionInOrder) {
    start();
    HttpClient client(rig->port());
    const HttpAnswer hello = client.ask("GET", "/hello");
    EXPECT_EQ(hello.status, 200U);
    EXPECT_EQ(hello.body, "hello");
    EXPECT_EQ(hello.header("content-type"), "text/plain");
    EXPECT_EQ(hello.header("cache-control"), "no-store");
    EXPECT_EQ(hello.header("x-content-type-options"), "nosniff");
    EXPECT_EQ(hello.header("content-security-policy"), "default-src 'none'; frame-ancestors 'none'");
    EXPECT_EQ(hello.header("cross-origin-resource-policy"), "same-origin");
    EXPECT_TRUE(hello.header("date").ends_with(" GMT"));
    EXPECT_EQ(client.ask("GET", "/open").header("content-security-policy"), "own");
    const std::string bytes("\0\xff\r\n", 4);
    EXPECT_EQ(client.ask("PUT", "/echo/a%2Fb%20c", {}, bytes).body, "a/b c=" + bytes);
    // Sent in one piece; a body in chunks.
    client.send(
        HttpClient::request("GET", "/hello") + HttpClient::request("PUT", "/echo/x", {}, "1") +
        "PUT /echo/y HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n2\r\n2\r\n34\r\n0\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, "hello");
    EXPECT_EQ(client.read_answer().body, "x=1");
    EXPECT_EQ(client.read_answer().body, "y=234");
    const HttpAnswer head = client.ask("HEAD", "/hello");
    EXPECT_EQ(head.status, 200U);
    EXPECT_EQ(head.header("content-length"), "5");
    EXPECT_EQ(client.ask("GET", "/hello").body, "hello");
    client.send("GET /hello HTTP/1.0\r\n\r\n");
    EXPECT_EQ(client.read_answer().body, "hello");
    EXPECT_TRUE(client.ends());
}

TEST_F(Http, SaysWhatThereIsNot) {
    start();
    HttpClient client(rig->port());
    const HttpAnswer nowhere = client.ask("GET", "/nowhere");
    EXPECT_EQ(nowhere.status, 404U);
    EXPECT_TRUE(nowhere.body.starts_with(R"({"error":"no_such_route","message":)"));
    EXPECT_EQ(nowhere.header("content-type"), "application/json");
    const HttpAnswer wrong = client.ask("DELETE", "/hello");
    EXPECT_EQ(wrong.status, 405U);
    EXPECT_EQ(wrong.header("allow"), "GET, HEAD");
    EXPECT_EQ(client.ask("OPTIONS", "/echo/x").header("allow"), "PUT");
    EXPECT_EQ(client.ask("BREW", "/hello").status, 405U);
    const HttpAnswer internal = client.ask("GET", "/fails/here");
    EXPECT_EQ(internal.status, 500U);
    EXPECT_EQ(internal.body.find("secret"), std::string::npos);
    const HttpAnswer open = client.ask("GET", "/fails/open");
    EXPECT_EQ(open.status, 503U);
    EXPECT_EQ(open.header("retry-after"), "2");
    EXPECT_NE(open.body.find(R"("certainty":"not_sent")"), std::string::npos) << open.body;
    EXPECT_EQ(client.ask("GET", "/hello").body, "hello");
}

TEST_F(Http, MalformedRequestsAreRefusedAndTheirConnectionIsClosed) {
    start();
    const std::string host = "Host: localhost\r\n";
    const std::vector<std::pair<std::string, unsigned>> cases{
        {"garbage\r\n\r\n", 400},
        {std::string("\0\x16\x03\x01\r\n\r\n", 8), 400},
        {"GET /hello\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\r\n\r\n", 400},
        {"GET /hello HTTP/2.0\r\n" + host + "\r\n", 505},
        {"GET /hello HTTP/1.1\r\n" + host + host + "\r\n", 400},
        {"GET /hello HTTP/1.1\r\n" + host + "no colon\r\n\r\n", 400},
        {"GET /hello HTTP/1.1\r\n" + host + "Na me: x\r\n\r\n", 400},
        {"GET /%zz HTTP/1.1\r\n" + host + "\r\n", 400},
        {"GET /hello% HTTP/1.1\r\n" + host + "\r\n", 400},
        {"GET * HTTP/1.1\r\n" + host + "\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Content-Length: -1\r\n\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Content-Length: 1x\r\n\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nnot a size\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 400},
        {"PUT /echo/x HTTP/1.1\r\n" + host + "Expect: a miracle\r\nContent-Length: 1\r\n\r\nx", 417},
    };
    for (const auto& [bytes, status] : cases) {
        HttpClient client(rig->port());
        client.send(bytes);
        EXPECT_EQ(client.read_answer().status, status) << bytes;
        EXPECT_TRUE(client.ends()) << bytes;
    }
    expect_alive();
}

TEST_F(Http, WhatIsTooLargeIsRefusedBeforeItIsRead) {
    HttpLimits limits;
    limits.max_header_bytes = 2048;
    limits.max_body_bytes = 1000;
    start(limits);
    EXPECT_EQ(rig->get("/" + std::string(4000, 'x')).status, 431U);
    EXPECT_EQ(rig->get("/hello", "X: " + std::string(4000, 'x') + "\r\n").status, 431U);
    HttpClient endless(rig->port());
    endless.send("GET /hello HTTP/1.1\r\n");
    while (endless.send("X: y\r\n" + std::string(0, ' '))) {}  // until the server has enough of it
    HttpClient client(rig->port());
    client.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1001\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 413U);
    HttpClient chunked(rig->port());
    chunked.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3e9\r\n" +
                 std::string(1001, 'x') + "\r\n0\r\n\r\n");
    EXPECT_EQ(chunked.read_answer().status, 413U);
    EXPECT_EQ(HttpClient(rig->port()).ask("PUT", "/echo/x", {}, std::string(1000, 'x')).body.size(), 1002U);
    HttpClient polite(rig->port());
    polite.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    EXPECT_EQ(polite.read_answer().status, 100U);
    polite.send("ab");
    EXPECT_EQ(polite.read_answer().body, "x=ab");
    HttpClient refused(rig->port());
    refused.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 2000\r\n\r\n");
    EXPECT_EQ(refused.read_answer().status, 413U);
}

TEST_F(Http, WhoIsSlowIsNotWaitedForEver) {
    HttpLimits limits;
    limits.header_timeout = 200ms;
    limits.body_timeout = 200ms;
    limits.idle_timeout = 200ms;
    limits.write_timeout = 200ms;
    start(limits);
    HttpClient silent(rig->port());
    EXPECT_TRUE(silent.ends());
    HttpClient kept(rig->port());
    EXPECT_EQ(kept.ask("GET", "/hello").body, "hello");
    EXPECT_TRUE(kept.ends());
    HttpClient half(rig->port());
    half.send("GET /hello HTTP/1.1\r\nHost: loc");
    EXPECT_TRUE(half.ends());
    // One byte after the other: each is progress, and still it ends.
    HttpClient dripping(rig->port());
    dripping.send("GET /hello HTTP/1.1\r\nX: ");
    EXPECT_TRUE(eventually([&] { return !dripping.send("x"); }));
    HttpClient body(rig->port());
    body.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    EXPECT_TRUE(body.ends());
    // Asks for much and reads nothing.
    HttpClient deaf(rig->port(), 4096);
    deaf.send(HttpClient::request("GET", "/big"));
    EXPECT_TRUE(eventually([&] { return rig->connections() == 0; }));
    expect_alive();
}

TEST_F(Http, AClientThatHasClosedItsHalfIsAnswered) {
    start();
    HttpClient client(rig->port());
    client.send(HttpClient::request("GET", "/hello"));
    client.half_close();
    EXPECT_EQ(client.read_answer().body, "hello");
    EXPECT_TRUE(client.ends());
    HttpClient gone(rig->port());
    gone.send("PUT /echo/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345");
    gone.half_close();
    EXPECT_TRUE(gone.ends());
}

TEST_F(Http, PastItsBoundAnIdleConnectionMakesRoomAndABusyOneDoesNot) {
    HttpLimits limits;
    limits.max_connections = 2;
    start(limits);
    HttpClient first(rig->port());
    HttpClient second(rig->port());
    EXPECT_EQ(first.ask("GET", "/hello").body, "hello");
    EXPECT_EQ(second.ask("GET", "/hello").body, "hello");
    HttpClient third(rig->port());
    EXPECT_EQ(third.ask("GET", "/hello").body, "hello");
    EXPECT_TRUE(first.ends());
    second.send(HttpClient::request("GET", "/wait"));
    third.send(HttpClient::request("GET", "/wait"));
    ASSERT_TRUE(is_waiting(2));
    HttpClient fourth(rig->port());
    fourth.send(HttpClient::request("GET", "/hello"));
    EXPECT_LE(rig->connections(), 2U);
    open_gate();
    EXPECT_EQ(second.read_answer().body, "waited");
    EXPECT_EQ(third.read_answer().body, "waited");
    EXPECT_EQ(fourth.read_answer().body, "hello");
}

TEST_F(Http, DrainingFinishesWhatIsUnderWay) {
    start();
    HttpClient idle(rig->port());
    EXPECT_EQ(idle.ask("GET", "/hello").status, 200U);
    HttpClient busy(rig->port());
    busy.send(HttpClient::request("GET", "/wait"));
    ASSERT_TRUE(is_waiting());
    HttpClient listening(rig->port());
    listening.send(HttpClient::request("GET", "/events"));
    EXPECT_EQ(listening.read_head().status, 200U);
    auto drained = rig->drain();
    EXPECT_TRUE(idle.ends());
    EXPECT_EQ(listening.read_chunk(), "data: first\n\n");
    EXPECT_EQ(listening.read_chunk(), "");
    EXPECT_TRUE(listening.ends());
    EXPECT_THROW(HttpClient late(rig->port()), std::runtime_error);
    open_gate();
    const HttpAnswer answer = busy.read_answer();
    EXPECT_EQ(answer.body, "waited");
    EXPECT_EQ(answer.header("connection"), "close");
    EXPECT_TRUE(busy.ends());
    drained.get();
    EXPECT_EQ(rig->connections(), 0U);
}

TEST_F(Http, DrainingHasABound) {
    HttpLimits limits;
    limits.drain_timeout = 100ms;
    start(limits);
    HttpClient slow(rig->port());
    slow.send("GET /hello HTTP/1.1\r\nHost: ");
    ASSERT_TRUE(eventually([&] { return rig->connections() == 1; }));
    rig->drain().get();
    EXPECT_TRUE(slow.ends());
}

TEST_F(Http, EventsArriveAsTheyArePushed) {
    start();
    HttpClient client(rig->port());
    client.send(HttpClient::request("GET", "/events"));
    const HttpAnswer head = client.read_head();
    EXPECT_EQ(head.header("content-type"), "text/event-stream");
    EXPECT_EQ(head.header("transfer-encoding"), "chunked");
    EXPECT_EQ(client.read_chunk(), "data: first\n\n");
    EXPECT_TRUE(push("data: second\n\n"));
    EXPECT_EQ(client.read_chunk(), "data: second\n\n");
    rig->on_loop([&] {
        events->push("data: last\n\n");
        events->close();
        return 0;
    });
    EXPECT_EQ(client.read_chunk(), "data: last\n\n");
    EXPECT_EQ(client.read_chunk(), "");
    EXPECT_TRUE(client.ends());
    EXPECT_EQ(closed(), 1);
    HttpClient old(rig->port());
    old.send("GET /events HTTP/1.0\r\n\r\n");
    EXPECT_EQ(old.read_head().header("transfer-encoding"), "");
    rig->on_loop([&] {
        events->close();
        return 0;
    });
    EXPECT_EQ(old.read_to_end(), "data: first\n\n");
}

TEST_F(Http, AStreamEndsWithItsClient) {
    start();
    {
        HttpClient client(rig->port());
        client.send(HttpClient::request("GET", "/events"));
        EXPECT_EQ(client.read_head().status, 200U);
    }
    EXPECT_TRUE(eventually([&] { return closed() == 1; }));
    EXPECT_FALSE(push("data: nobody\n\n"));
    EXPECT_TRUE(eventually([&] { return rig->connections() == 0; }));
}

TEST_F(Http, AClientThatIsTooSlowForItsStreamLosesIt) {
    start();
    HttpClient client(rig->port(), 4096);
    client.send(HttpClient::request("GET", "/events"));
    EXPECT_EQ(client.read_head().status, 200U);
    const std::string event = "data: " + std::string(100'000, 'x') + "\n\n";
    EXPECT_TRUE(eventually([&] { return !push(event); }));
    EXPECT_EQ(closed(), 1);
}

TEST_F(Http, StreamsAreBoundedInNumber) {
    HttpLimits limits;
    limits.max_streams = 1;
    start(limits);
    HttpClient first(rig->port());
    first.send(HttpClient::request("GET", "/events"));
    EXPECT_EQ(first.read_head().status, 200U);
    const auto held = events;
    const HttpAnswer refused = rig->get("/events");
    EXPECT_EQ(refused.status, 503U);
    EXPECT_EQ(refused.header("retry-after"), "5");
    EXPECT_EQ(HttpClient(rig->port()).ask("HEAD", "/hello").status, 200U);
    rig->on_loop([&] {
        held->close();
        return 0;
    });
    EXPECT_TRUE(eventually([&] {
        HttpClient next(rig->port());
        next.send(HttpClient::request("GET", "/events"));
        return next.read_head().status == 200U;
    }));
}

TEST_F(Http, TheTokenIsAskedForFirst) {
    const std::string token = "correct-horse-battery";
    start({}, token);
    EXPECT_EQ(rig->get("/open").status, 200U);
    for (const char* path : {"/hello", "/nowhere", "/events"}) {
        const HttpAnswer refused = rig->get(path);
        EXPECT_EQ(refused.status, 401U) << path;
        EXPECT_TRUE(refused.header("www-authenticate").starts_with("Bearer")) << path;
        EXPECT_EQ(refused.body.find(token), std::string::npos);
    }
    EXPECT_EQ(rig->get("/hello", "Authorization: Bearer wrong-horse-battery\r\n").status, 401U);
    EXPECT_EQ(rig->get("/hello", "Authorization: Bearer " + token + "\r\n").body, "hello");
    // Nobody without it makes the server read a body.
    HttpClient client(rig->port());
    client.send("PUT /echo/x HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 900000\r\n\r\n");
    EXPECT_EQ(client.read_answer().status, 401U);
}

TEST_F(Http, SurvivesRandomBytes) {
    HttpLimits limits;
    limits.header_timeout = 50ms;
    limits.body_timeout = 50ms;
    limits.idle_timeout = 50ms;
    start(limits);
    std::mt19937 random(7);  // NOLINT: the same each time
    const std::string good = HttpClient::request("PUT", "/echo/a%20b?x=y", "Expect: 100-continue\r\n", "0123456789");
    for (int round = 0; round != 400; ++round) {
        std::string bytes = good;
        for (unsigned changes = random() % 4 + 1; changes != 0; --changes) {
            const std::size_t at = random() % bytes.size();
            switch (random() % 3) {
                case 0: bytes[at] = static_cast<char>(random() % 256); break;
                case 1: bytes.erase(at, random() % 8); break;
                default: bytes.insert(at, std::string(random() % 8, static_cast<char>(random() % 256)));
            }
        }
        HttpClient client(rig->port());
        client.send(bytes);
        if (round % 2 == 0) client.half_close();
        const std::string said = client.read_to_end();
        EXPECT_TRUE(said.empty() || said.starts_with("HTTP/1.")) << said;
    }
    expect_alive();
}

}  // namespace
}  // namespace redoubt::admin
