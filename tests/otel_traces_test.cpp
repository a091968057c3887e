// otel: the spans of calls, recorded by the real SDK: attributes for each way in which a call can end, events, parents.
#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>
#include <opentelemetry/trace/scope.h>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/asio/use_future.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/otel_sdk.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
using namespace std::chrono_literals;
using namespace redoubt::testing;

class OtelTraces : public LiveServiceTest {
protected:
    RedisService& start(RedisServiceConfig config, OtelOptions options = {}) {
        service_ = std::make_unique<RedisService>(std::move(config));
        add_otel_telemetry(*service_, std::move(options));
        for (const auto& also : besides_) service_->add_telemetry(also);
        service_->initialize();
        (void)sdk_.spans();
        return *service_;
    }
    RedisService& start() { return start(config()); }
    ProjectIsolatedRedisClient redis() { return service_->get_connection("alpha"); }
    /// What every span of a call to this server has.
    Strings always(const std::string& operation) {
        return {{"db.system.name", "redis"},
                {"db.operation.name", operation},
                {"db.namespace", "0"},
                {"server.address", server().socket_path()},
                {"redoubt.project.id", "alpha"}};
    }
    Strings failed(const std::string& operation, Strings more) {
        more.merge(always(operation));
        return more;
    }

    OtelSdk sdk_;
    std::vector<std::shared_ptr<Telemetry>> besides_;
    std::unique_ptr<RedisService> service_;
};

api::nostd::shared_ptr<api::trace::Span> make_span(const char* name) {
    return api::trace::Provider::GetTracerProvider()->GetTracer("test")->StartSpan(name);
}
std::string id_of(const api::nostd::shared_ptr<api::trace::Span>& span) { return hex(span->GetContext().span_id()); }

TEST_P(OtelTraces, ACallThatSucceeds) {
    start();
    redis().set("k", "v");
    const Span span = sdk_.span();
    EXPECT_EQ(span.name, "SET");
    EXPECT_EQ(span.kind, api::trace::SpanKind::kClient);
    EXPECT_EQ(span.status, api::trace::StatusCode::kUnset);
    EXPECT_EQ(span.attributes, always("SET"));
    EXPECT_EQ(span.parent, "");
    EXPECT_TRUE(span.events.empty());
}

TEST_P(OtelTraces, AddressAndPortOfAServerByTcp) {
    EmbeddedServerOptions options = options_for(GetParam());
    options.tcp = true;
    start_server(options);
    start(quiet_config(server().tcp_url() + "/3"));
    redis().set("k", "v");
    Strings expected = always("SET");
    const std::string url = server().tcp_url();
    expected["server.address"] = "127.0.0.1";
    expected["server.port"] = url.substr(url.rfind(':') + 1);
    expected["db.namespace"] = "3";
    EXPECT_EQ(sdk_.span().attributes, expected);
}

TEST_P(OtelTraces, AnErrorReplyIsToldByItsPrefixAlone) {
    start();
    redis().set("a-key-of-mine", "a-value-of-mine");
    (void)sdk_.spans();
    EXPECT_FALSE(redis().try_lpush("a-key-of-mine", "a-value-of-mine"));
    const Span span = sdk_.span();
    EXPECT_EQ(span.name, "LPUSH");
    EXPECT_EQ(span.status, api::trace::StatusCode::kError);
    EXPECT_EQ(span.description, "WRONGTYPE");
    EXPECT_EQ(span.attributes, failed("LPUSH", {{"error.type", "WRONGTYPE"},
                                                {"db.response.status_code", "WRONGTYPE"},
                                                {"redoubt.certainty", "rejected"}}));
}

TEST_P(OtelTraces, ATimeOut) {
    start();
    redis().set("k", "v");
    (void)sdk_.spans();
    server().pause();
    EXPECT_FALSE(redis().with({.deadline = 50ms}).try_get("k"));
    server().resume();
    const Span span = sdk_.span();
    EXPECT_EQ(span.name, "GET");
    EXPECT_EQ(span.status, api::trace::StatusCode::kError);
    EXPECT_EQ(span.attributes,
              failed("GET", {{"error.type", "RedisOperationTimeoutException"}, {"redoubt.certainty", "unknown"}}));
}

TEST_P(OtelTraces, AnOpenBreakerIsAnErrorAndAnEvent) {
    start();
    service_->circuit_breaker().force_open();
    EXPECT_FALSE(redis().try_get("k"));
    const Span span = sdk_.span();
    EXPECT_EQ(span.status, api::trace::StatusCode::kError);
    EXPECT_EQ(span.attributes,
              failed("GET", {{"error.type", "RedisCircuitBreakerOpenException"}, {"redoubt.certainty", "not_sent"}}));
    ASSERT_EQ(span.events.size(), 1u);
    EXPECT_EQ(span.events[0].name, "redoubt.circuit_breaker.refused");
    EXPECT_TRUE(span.events[0].attributes.contains("redoubt.retry_after"));
}

// Lets the server go on when the first attempt has failed, so that the second succeeds.
class ResumesAtRetry final : public Telemetry {
public:
    explicit ResumesAtRetry(EmbeddedServer& server) : server_(server) {}
    bool watches_calls() const noexcept override { return true; }
    void call_retried(void*, const Error&, Duration) noexcept override { server_.resume(); }

private:
    EmbeddedServer& server_;
};

TEST_P(OtelTraces, ARetryIsAnEvent) {
    RedisServiceConfig with_retries = config();
    with_retries.max_retries = 20;
    with_retries.attempt_timeout = 100ms;
    with_retries.operation_timeout = 30s;
    with_retries.retry_delay = 10ms;
    with_retries.circuit_breaker.failure_threshold = 1000;
    besides_.push_back(std::make_shared<ResumesAtRetry>(server()));
    start(with_retries);
    redis().set("k", "v");
    for (const bool async : {false, true}) {
        (void)sdk_.spans();
        server().pause();
        const auto value = async ? redis().async().get("k")(asio::use_future).get() : redis().get("k");
        EXPECT_EQ(value, "v");
        const Span span = sdk_.span();
        EXPECT_EQ(span.status, api::trace::StatusCode::kUnset);
        ASSERT_GE(span.events.size(), 1u);
        EXPECT_EQ(span.events[0].name, "redoubt.retry");
        EXPECT_EQ(span.events[0].attributes.at("error.type"), "RedisOperationTimeoutException");
        EXPECT_EQ(span.events[0].attributes.at("redoubt.retry.attempt"), "1");
        EXPECT_GE(std::stod(span.events[0].attributes.at("redoubt.retry.pause")), 0.0);
        EXPECT_EQ(span.attributes.at("redoubt.attempts"), std::to_string(span.events.size() + 1));
    }
}

TEST_P(OtelTraces, WhatIsolationRefusesIsToldWithoutItsWords) {
    start();
    const std::string secret = "a-secret-word";
    const std::array<std::string_view, 3> unknown{secret, "key", "value"};
    EXPECT_FALSE(redis().try_command(unknown));
    Span span = sdk_.span();
    EXPECT_EQ(span.name, "redis");
    EXPECT_FALSE(span.attributes.contains("db.operation.name"));
    EXPECT_EQ(span.attributes.at("error.type"), "RedisProjectIsolationException");
    EXPECT_FALSE(contains(span.description, secret));

    const std::array<std::string_view, 1> refused{"FLUSHALL"};
    EXPECT_FALSE(redis().try_command(refused));
    span = sdk_.span();
    EXPECT_EQ(span.name, "FLUSHALL");
    EXPECT_EQ(span.attributes, failed("FLUSHALL", {{"error.type", "RedisProjectIsolationException"},
                                                   {"redoubt.certainty", "not_sent"}}));
}

TEST_P(OtelTraces, BatchesSayHowManyAndWhat) {
    start();
    (void)redis().pipeline().get("a").get("b").get("c").execute();
    Span span = sdk_.span();
    EXPECT_EQ(span.name, "PIPELINE GET");
    EXPECT_EQ(span.attributes.at("db.operation.name"), "PIPELINE GET");
    EXPECT_EQ(span.attributes.at("db.operation.batch.size"), "3");

    (void)redis().pipeline().get("a").incr("n").execute();
    span = sdk_.span();
    EXPECT_EQ(span.name, "PIPELINE");
    EXPECT_EQ(span.attributes.at("db.operation.batch.size"), "2");

    (void)redis().transaction().incr("n").incr("m").execute();
    span = sdk_.span();
    EXPECT_EQ(span.name, "MULTI INCR");
    EXPECT_EQ(span.attributes.at("db.operation.batch.size"), "2");

    (void)redis().async().transaction().incr("n").set("m", "1").execute()(asio::use_future).get();
    span = sdk_.span();
    EXPECT_EQ(span.name, "MULTI");
    EXPECT_EQ(span.attributes.at("db.operation.batch.size"), "2");

    // One alone is no batch.
    (void)redis().async().pipeline().get("a").execute()(asio::use_future).get();
    span = sdk_.span();
    EXPECT_EQ(span.name, "GET");
    EXPECT_FALSE(span.attributes.contains("db.operation.batch.size"));
}

TEST_P(OtelTraces, ABatchWithAFailedCommandIsAnError) {
    start();
    redis().set("text", "v");
    (void)sdk_.spans();
    (void)redis().pipeline().get("text").lpush("text", "x").try_execute();
    const Span span = sdk_.span();
    EXPECT_EQ(span.name, "PIPELINE");
    EXPECT_EQ(span.status, api::trace::StatusCode::kError);
    EXPECT_EQ(span.attributes.at("db.response.status_code"), "WRONGTYPE");
}

TEST_P(OtelTraces, ATransactionWithAFailedCommandIsAnError) {
    start();
    const auto expect_wrong_type = [&](const char* how) {
        const Span span = sdk_.span();
        EXPECT_EQ(span.name, "MULTI") << how;
        EXPECT_EQ(span.status, api::trace::StatusCode::kError) << how;
        EXPECT_EQ(span.attributes.at("db.response.status_code"), "WRONGTYPE") << how;
    };
    redis().set("text", "v");
    (void)sdk_.spans();
    (void)redis().transaction().get("text").lpush("text", "x").try_execute();
    expect_wrong_type("blocking");
    (void)redis().async().transaction().get("text").lpush("text", "x").try_execute()(asio::use_future).get();
    expect_wrong_type("async");
    auto watched = redis().transaction().watch("text");
    (void)sdk_.spans();
    (void)std::move(watched).get("text").lpush("text", "x").try_execute();
    expect_wrong_type("watched");
}

TEST_P(OtelTraces, QueryTextIsOffUnlessAskedForAndHoldsNoValue) {
    start();
    redis().set("my-key", "my-value", {.ex = 10s});
    EXPECT_FALSE(sdk_.span().attributes.contains("db.query.text"));

    start(config(), {.query_text = true});
    redis().set("my-key", "my-value", {.ex = 10s});
    EXPECT_EQ(sdk_.span().attributes.at("db.query.text"), "SET ? ? ? ?");
    (void)redis().async().pipeline().get("my-key").mget("a", "b").execute()(asio::use_future).get();
    EXPECT_EQ(sdk_.span().attributes.at("db.query.text"), "GET ?; MGET ? ?");
    const std::array<std::string_view, 3> words{"object", "encoding", "my-key"};
    (void)redis().try_command(words);
    EXPECT_EQ(sdk_.span().attributes.at("db.query.text"), "OBJECT ENCODING ?");
}

TEST_P(OtelTraces, TheParentIsWhatIsCurrentOnTheCallersThread) {
    start();
    const auto request = make_span("request");
    {
        const api::trace::Scope scope(request);
        (void)redis().get("k");
        // It ends on another thread, which has no context at all.
        (void)redis().async().get("k")(asio::use_future).get();
    }
    (void)redis().get("k");
    const std::vector<Span> spans = sdk_.spans();
    ASSERT_EQ(spans.size(), 3u);
    EXPECT_EQ(spans[0].parent, id_of(request));
    EXPECT_EQ(spans[1].parent, id_of(request));
    EXPECT_EQ(spans[0].trace, hex(request->GetContext().trace_id()));
    EXPECT_EQ(spans[2].parent, "");
}

TEST_P(OtelTraces, ThreadsHaveParentsOfTheirOwn) {
    start();
    constexpr int calls = 20;
    std::map<std::string, std::string> parents;  // of each project
    std::vector<std::pair<std::string, api::nostd::shared_ptr<api::trace::Span>>> requests;
    for (const char* project : {"p0", "p1", "p2", "p3"}) requests.emplace_back(project, make_span("request"));
    std::vector<std::thread> threads;
    for (const auto& [project, request] : requests) {
        parents[project] = id_of(request);
        threads.emplace_back([&, project = project, request = request] {
            const api::trace::Scope scope(request);
            for (int i = 0; i != calls; ++i) (void)service_->get_connection(project).get("k");
        });
    }
    for (std::thread& thread : threads) thread.join();
    const std::vector<Span> spans = sdk_.spans();
    EXPECT_EQ(spans.size(), 4u * calls);
    for (const Span& span : spans) EXPECT_EQ(span.parent, parents.at(span.attributes.at("redoubt.project.id")));
}

// On a loop that many coroutines share, the thread's context is whoever's ran last: each has its own to give.
TEST_P(OtelTraces, CoroutinesKeepTheirParentWhereTheyAreResumed) {
    asio::io_context loop{1};
    service_ = std::make_unique<RedisService>(loop, config());
    add_otel_telemetry(*service_);
    auto ready = asio::co_spawn(loop, service_->async_initialize(), asio::use_future);
    expect_soon(loop, [&] { return ready.wait_for(0s) == std::future_status::ready; });
    (void)sdk_.spans();

    int ended = 0;
    std::map<std::string, std::string> parents;
    const auto serve = [&](std::string project) -> asio::awaitable<void> {
        const auto request = make_span("request");
        parents[project] = id_of(request);
        std::unique_ptr<CallContext> context;
        {
            const api::trace::Scope scope(request);
            context = otel_context();
        }
        const auto redis = service_->get_connection(project).async().with({.context = context.get()});
        for (int i = 0; i != 5; ++i) {
            (void)co_await redis.get("k");
            (void)co_await redis.pipeline().get("k").incr("n").execute();
        }
        ++ended;
    };
    for (const char* project : {"p0", "p1", "p2", "p3"}) asio::co_spawn(loop, serve(project), asio::detached);
    expect_soon(loop, [&] { return ended == 4; });
    std::vector<Span> spans = sdk_.spans();
    // The monitor's first round may be among them.
    std::erase_if(spans, [&](const Span& span) {
        const auto project = span.attributes.find("redoubt.project.id");
        return project == span.attributes.end() || !parents.contains(project->second);
    });
    EXPECT_EQ(spans.size(), 4u * 10);
    for (const Span& span : spans) EXPECT_EQ(span.parent, parents.at(span.attributes.at("redoubt.project.id")));
    service_->close();
    expect_runs_out(loop);
}

class Foreign final : public CallContext {};

TEST_P(OtelTraces, SomebodyElsesContextIsNone) {
    start();
    const Foreign foreign;
    (void)redis().with({.context = &foreign}).get("k");
    EXPECT_EQ(sdk_.span().parent, "");
}

TEST_P(OtelTraces, CallsThatAreLostWithTheirLoopEndToo) {
    auto loop = std::make_unique<asio::io_context>(1);
    service_ = std::make_unique<RedisService>(*loop, config());
    add_otel_telemetry(*service_);
    auto ready = asio::co_spawn(*loop, service_->async_initialize(), asio::use_future);
    expect_soon(*loop, [&] { return ready.wait_for(0s) == std::future_status::ready; });
    (void)sdk_.spans();
    redis().with({.deadline = 60s}).async().try_blpop("never", 30s)(asio::detached);
    run_ready(*loop);
    redis().with({.deadline = 60s}).async().try_get("k")(asio::detached);  // begun, and on its way
    service_.reset();
    loop.reset();
    const std::vector<Span> spans = sdk_.spans();
    ASSERT_EQ(spans.size(), 2u);
    for (const Span& span : spans) EXPECT_EQ(span.status, api::trace::StatusCode::kError);
}

// How long an upkeep round is: a quarter of what the idle connections have.
RedisServiceConfig with_short_upkeep(RedisServiceConfig config) {
    config.idle_timeout = 200ms;
    return config;
}

TEST_P(OtelTraces, ProvidersThatComeAndGoAreNoticed) {
    const api::nostd::shared_ptr<api::trace::TracerProvider> real = api::trace::Provider::GetTracerProvider();
    const api::nostd::shared_ptr<api::trace::TracerProvider> noop(new api::trace::NoopTracerProvider);
    const auto telemetry = make_otel_telemetry({.metrics = false});
    EXPECT_TRUE(telemetry->watches_calls());
    api::trace::Provider::SetTracerProvider(noop);
    EXPECT_FALSE(telemetry->watches_calls());

    service_ = std::make_unique<RedisService>(with_short_upkeep(config()));
    service_->add_telemetry(telemetry);
    service_->initialize();
    redis().set("k", "v");
    EXPECT_TRUE(sdk_.spans().empty());
    api::trace::Provider::SetTracerProvider(real);
    const TimePoint deadline = Clock::now() + patience;
    std::size_t seen = 0;
    while (seen == 0 && Clock::now() < deadline) {
        (void)redis().get("k");
        seen = sdk_.spans().size();
    }
    EXPECT_NE(seen, 0u);
}

TEST(OtelWithoutSdk, NothingIsWatched) {
    const auto telemetry = make_otel_telemetry();
    EXPECT_TRUE(has_otel());
    EXPECT_FALSE(telemetry->watches_calls());
}

REDOUBT_BOTH_SERVERS(OtelTraces);

}  // namespace
}  // namespace redoubt
