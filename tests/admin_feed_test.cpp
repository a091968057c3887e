// admin: the live feed's memory: what it makes of readings, and when it raises an alert.
#include <cmath>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>
#include <boost/json/object.hpp>
#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>

#include "admin/event_stream.hpp"
#include "admin/feed_conditions.hpp"
#include "admin/feed_state.hpp"

namespace redoubt::admin {
namespace {

namespace json = boost::json;

/// An event taken apart: its name is checked, its data returned.
json::object data_of(std::string_view event, std::string_view name) {
    const std::string head = "event: " + std::string(name) + "\ndata: ";
    EXPECT_TRUE(event.starts_with(head)) << event;
    EXPECT_TRUE(event.ends_with("\n\n")) << event;
    EXPECT_EQ(event.find('\n', head.size()), event.size() - 2) << event;
    return json::parse(event.substr(head.size(), event.size() - head.size() - 2)).as_object();
}

Error error_of(ErrorKind kind, std::string message) {
    return Error::with_detail(kind, Certainty::not_sent, Stage::connecting, std::move(message));
}

/// Readings a second apart, of a service that is well until a test says otherwise.
class Feed : public testing::Test {
protected:
    Feed() {
        reading.time = 1000;
        reading.memory_warning = 0.8;
        reading.memory_critical = 0.9;
        reading.metrics = json::parse(R"({"initialized": true, "endpoint": "h:1", "connection_factory": {
            "pools_count": 2, "projects_count": 2, "created_connections": 5,
            "pools": {"alpha": {"created_connections": 2, "available_connections": 2, "max_connections": 10,
                                "leased_connections": 0, "waiting_callers": 0, "in_flight_commands": 0},
                      "beta": {"created_connections": 3, "available_connections": 1, "max_connections": 10,
                               "leased_connections": 1, "waiting_callers": 0, "in_flight_commands": 4}},
            "circuit_breaker": {"state": "closed", "metrics": {"successful_calls": 100, "failed_calls": 0,
                "rejected_calls": 0, "circuit_opens": 0, "time_in_state_seconds": 60.0}}}})")
                              .as_object();
        reading.health = json::parse(R"({"status": "healthy", "timestamp": 999.0, "advice": ["an advice"],
            "server": {"endpoint": "h:1", "kind": "valkey", "version": "8.0.1", "uptime_seconds": 50},
            "test_operations": {"status": "passed"},
            "memory": {"status": "healthy", "usage_percentage": 0.5, "usage_bytes": 500, "max_memory_bytes": 1000}})")
                             .as_object();
        reading.probe = Probe{0.2, std::nullopt};
    }
    json::object& factory() { return reading.metrics["connection_factory"].as_object(); }
    json::object& breaker() { return factory()["circuit_breaker"].as_object(); }
    json::object& pool(std::string_view name) { return factory()["pools"].as_object()[name].as_object(); }
    void fail(ErrorKind kind, std::string message) { reading.probe = Probe{0, error_of(kind, std::move(message))}; }

    json::object next() {
        reading.time += 1;
        return data_of(state.take(reading), "sample");
    }
    json::object history() const { return data_of(state.history(), "history"); }
    static std::string status(const json::object& sample) { return std::string(sample.at("status").as_string()); }
    static std::string text(const json::value& value) { return json::serialize(value); }

    FeedReading reading;
    FeedState state;
};

TEST_F(Feed, a_healthy_service) {
    const json::object sample = next();
    EXPECT_EQ(status(sample), "healthy");
    EXPECT_EQ(text(sample.at("reasons")), "[]");
    EXPECT_EQ(text(sample.at("advice")), R"(["an advice"])");
    EXPECT_EQ(text(sample.at("alerts")), "[]");
    EXPECT_EQ(sample.at("server").at("version").as_string(), "8.0.1");
    EXPECT_DOUBLE_EQ(sample.at("server").at("uptime_seconds").as_double(), 52);  // two seconds after the check
    EXPECT_DOUBLE_EQ(sample.at("memory").at("warning").as_double(), 0.8);
    EXPECT_DOUBLE_EQ(sample.at("point").at("memory_bytes").as_double(), 500);
    EXPECT_DOUBLE_EQ(sample.at("point").at("in_use").as_double(), 2);
    EXPECT_DOUBLE_EQ(sample.at("totals").at("in_flight").as_double(), 4);
    // The busiest first.
    EXPECT_EQ(sample.at("pools").at(0).at("name").as_string(), "beta");
    EXPECT_EQ(sample.at("pools").at(1).at("name").as_string(), "alpha");
}

TEST_F(Feed, calls_a_second_are_differences) {
    reading.calls.emplace();
    reading.calls->durations.counts[0] = 1000;
    EXPECT_DOUBLE_EQ(next().at("point").at("calls").as_double(), 0) << "what was before nobody knows";
    reading.calls->durations.counts[0] += 300;
    reading.calls->failures += 30;
    reading.seconds = 1.5;
    const json::object sample = next();
    EXPECT_DOUBLE_EQ(sample.at("point").at("calls").as_double(), 200);
    EXPECT_DOUBLE_EQ(sample.at("point").at("failures").as_double(), 20);
}

TEST_F(Feed, without_counted_calls_the_breaker_counts) {
    next();
    breaker()["metrics"].as_object()["successful_calls"] = 150;
    breaker()["metrics"].as_object()["rejected_calls"] = 10;
    const json::object sample = next();
    EXPECT_DOUBLE_EQ(sample.at("point").at("calls").as_double(), 60);
    EXPECT_DOUBLE_EQ(sample.at("point").at("failures").as_double(), 10);
    EXPECT_TRUE(sample.at("point").at("p50_ms").is_null());
}

TEST_F(Feed, latency_is_of_the_last_ten_seconds) {
    reading.calls.emplace();
    next();
    reading.calls->durations.counts[3] += 98;  // 0.5 to 1 ms
    reading.calls->durations.counts[9] += 2;   // 50 to 100 ms
    const json::object sample = next();
    const double p50 = sample.at("point").at("p50_ms").as_double();
    const double p99 = sample.at("point").at("p99_ms").as_double();
    EXPECT_GT(p50, 0.5);
    EXPECT_LT(p50, 1);
    EXPECT_GT(p99, 50);
    EXPECT_LT(p99, 100);
    for (int i = 0; i != 9; ++i) EXPECT_FALSE(next().at("point").at("p99_ms").is_null()) << i;
    EXPECT_TRUE(next().at("point").at("p99_ms").is_null()) << "there was no call for ten seconds";
}

TEST_F(Feed, a_probe_that_fails_is_told_once_and_its_end_once) {
    next();
    fail(ErrorKind::connection, "connection refused");
    json::object sample = next();
    EXPECT_EQ(status(sample), "unreachable");
    EXPECT_EQ(text(sample.at("reasons")), R"(["connection refused"])");
    EXPECT_EQ(sample.at("alerts").at(0).at("severity").as_string(), "critical");
    EXPECT_EQ(sample.at("point").at("trouble").to_number<int>(), 1);
    EXPECT_TRUE(sample.at("point").at("memory_bytes").is_null());
    EXPECT_EQ(text(next().at("alerts")), "[]") << "once";
    reading.probe = Probe{0.2, std::nullopt};
    sample = next();
    EXPECT_EQ(status(sample), "healthy");
    EXPECT_EQ(sample.at("alerts").at(0).at("severity").as_string(), "resolved");
    EXPECT_EQ(sample.at("alerts").at(0).at("text").as_string(), "server: over after 2 s");
    EXPECT_EQ(sample.at("point").at("trouble").to_number<int>(), 0);
}

TEST_F(Feed, while_the_breaker_refuses_the_last_word_of_the_server_stays) {
    fail(ErrorKind::timeout, "no answer in time");
    next();
    breaker()["state"] = "open";
    fail(ErrorKind::circuit_open, "the breaker is open");
    const json::object sample = next();
    EXPECT_EQ(status(sample), "unreachable");
    EXPECT_EQ(sample.at("reasons").at(0).as_string(), "no answer in time");
    EXPECT_NE(text(sample.at("reasons").at(1)).find("breaker is open"), std::string::npos);
    EXPECT_EQ(sample.at("breaker").at("state").as_string(), "open");
}

TEST_F(Feed, an_answer_that_refuses_is_no_silence) {
    fail(ErrorKind::authentication, "NOAUTH");
    EXPECT_EQ(status(next()), "unhealthy");
}

TEST_F(Feed, breaker_states) {
    for (const auto& [state_word, expected] :
         {std::pair{"closed", "healthy"}, std::pair{"half_open", "degraded"}, std::pair{"open", "unhealthy"},
          std::pair{"forced_open", "unhealthy"}, std::pair{"disabled", "healthy"}}) {
        breaker()["state"] = state_word;
        const json::object sample = next();
        EXPECT_EQ(status(sample), expected) << state_word;
        EXPECT_EQ(sample.at("reasons").as_array().empty(), state_word == std::string_view("closed")) << state_word;
    }
}

TEST_F(Feed, memory_that_worsens_is_told_again) {
    next();
    json::object& memory = reading.health["memory"].as_object();
    memory["status"] = "warning";
    memory["usage_percentage"] = 0.84;
    json::object sample = next();
    EXPECT_EQ(status(sample), "degraded");
    EXPECT_EQ(text(sample.at("reasons")), R"(["memory is warning: 84% of its limit is used"])");
    EXPECT_EQ(sample.at("alerts").at(0).at("severity").as_string(), "warning");
    memory["status"] = "critical";
    sample = next();
    EXPECT_EQ(status(sample), "unhealthy");
    EXPECT_EQ(sample.at("alerts").at(0).at("severity").as_string(), "critical");
    memory["status"] = "healthy";
    sample = next();
    EXPECT_EQ(status(sample), "healthy");
    EXPECT_EQ(sample.at("alerts").at(0).at("text").as_string(), "memory: over after 2 s");
}

TEST_F(Feed, a_health_check_tells_what_a_ping_cannot) {
    reading.health["status"] = "degraded";
    EXPECT_EQ(status(next()), "degraded");
    reading.health["status"] = "unhealthy";
    reading.health["test_operations"] = {
        {"status", "failed"}, {"failed_step", "set_get_delete"}, {"error", "READONLY"}};
    const json::object sample = next();
    EXPECT_EQ(status(sample), "unhealthy");
    EXPECT_EQ(text(sample.at("reasons")), R"(["the health check's set_get_delete failed: READONLY"])");
}

TEST_F(Feed, an_old_health_check_does_not_contradict_a_probe) {
    fail(ErrorKind::connection, "connection refused");
    next();
    reading.health["status"] = "unhealthy";
    reading.health["timestamp"] = reading.time;
    reading.health["test_operations"] = {{"status", "failed"}, {"failed_step", "ping"}, {"error", "refused"}};
    next();
    reading.probe = Probe{0.2, std::nullopt};
    EXPECT_EQ(status(next()), "healthy") << "the check was made before the server came back";
    reading.health["timestamp"] = reading.time + 0.5;
    EXPECT_EQ(status(next()), "unhealthy") << "this one was made afterwards";
}

TEST_F(Feed, unwatched_the_monitor_says_when_an_outage_is_over) {
    fail(ErrorKind::connection, "connection refused");
    next();
    reading.probe.reset();
    EXPECT_EQ(status(next()), "unreachable") << "nobody asked since";
    reading.health["timestamp"] = reading.time;
    EXPECT_EQ(status(next()), "healthy");
}

TEST_F(Feed, waiting_callers_are_told_when_they_last) {
    pool("alpha")["waiting_callers"] = 7;
    for (int i = 0; i != 2; ++i) EXPECT_EQ(text(next().at("reasons")), "[]");
    json::object sample = next();
    EXPECT_EQ(text(sample.at("reasons")), R"(["7 callers wait for a connection of alpha"])");
    EXPECT_EQ(status(sample), "healthy") << "they are served, later";
    EXPECT_EQ(sample.at("alerts").at(0).at("severity").as_string(), "warning");
    EXPECT_EQ(sample.at("pools").at(0).at("name").as_string(), "alpha");
    pool("alpha")["waiting_callers"] = 0;
    for (int i = 0; i != 9; ++i) EXPECT_EQ(text(next().at("alerts")), "[]") << i;
    EXPECT_EQ(next().at("alerts").at(0).at("severity").as_string(), "resolved");
}

TEST_F(Feed, a_service_that_is_not_initialized) {
    reading.metrics = {{"initialized", false}};
    reading.health = {};
    reading.probe.reset();
    json::object sample = next();
    EXPECT_EQ(status(sample), "degraded") << "it may connect at any moment";
    EXPECT_EQ(text(sample.at("alerts")), "[]");
    reading.down_reason = "cannot connect";
    sample = next();
    EXPECT_EQ(status(sample), "unreachable");
    EXPECT_EQ(text(sample.at("reasons")), R"(["cannot connect"])");
}

TEST_F(Feed, a_change_of_the_breaker_comes_with_the_next_sample_and_stays_in_the_history) {
    next();
    state.add({1001.5, "h:1", "closed", "open"});
    EXPECT_EQ(text(history().at("transitions")), "[]") << "else a new client would have it twice";
    EXPECT_EQ(next().at("transitions").as_array().size(), 1U);
    EXPECT_EQ(text(next().at("transitions")), "[]");
    EXPECT_EQ(history().at("transitions").at(0).at("to").as_string(), "open");
}

TEST_F(Feed, the_history_has_the_last_quarter_of_an_hour_in_columns) {
    for (std::size_t i = 0; i != FeedState::capacity + 10; ++i) {
        next();
        state.add({reading.time, "h:1", "closed", "open"});
    }
    const json::object all = history();
    EXPECT_EQ(all.at("capacity").to_number<std::size_t>(), FeedState::capacity);
    for (const auto& column : all.at("samples").as_object()) {
        EXPECT_EQ(column.value().as_array().size(), FeedState::capacity) << column.key();
    }
    EXPECT_DOUBLE_EQ(all.at("samples").at("time").as_array().back().as_double(), reading.time);
    EXPECT_LE(all.at("transitions").as_array().size(), FeedState::kept_entries);
    EXPECT_LT(state.history().size(), EventStream::default_max_buffered / 2)
        << "a new client must not be too slow for it";
}

}  // namespace
}  // namespace redoubt::admin
