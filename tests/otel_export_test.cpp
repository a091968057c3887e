// otel: end to end: the SDK's OTLP/HTTP exporters send to a collector's stand-in on loopback, which decodes the protobuf.
#include <condition_variable>
#include <map>
#include <mutex>
#include <set>
#include <thread>

#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <gtest/gtest.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_exporter_options.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_factory.h>
#include <opentelemetry/exporters/otlp/otlp_http_metric_exporter_options.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_factory.h>
#include <opentelemetry/sdk/metrics/export/periodic_exporting_metric_reader_options.h>
#include <opentelemetry/sdk/trace/batch_span_processor_factory.h>
#include <opentelemetry/sdk/trace/batch_span_processor_options.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

#include "support/live_service.hpp"
#include "support/loops.hpp"
#include "support/otel_sdk.hpp"

namespace redoubt {
namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;
namespace otlp = opentelemetry::exporter::otlp;
using namespace std::chrono_literals;
using namespace redoubt::testing;

/// An OTLP collector as far as its protocol goes: takes POSTs, and decodes them with the message types that the protocol's
/// own library registers. Serves on a thread of its own until it is destroyed.
class Collector {
public:
    Collector() : acceptor_(loop_, {asio::ip::address_v4::loopback(), 0}) {
        asio::co_spawn(loop_, accept(), asio::detached);
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~Collector() {
        loop_.stop();
        thread_.join();
    }
    Collector(const Collector&) = delete;
    Collector& operator=(const Collector&) = delete;

    std::string url(const std::string& path) const {
        return fmt::format("http://127.0.0.1:{}{}", acceptor_.local_endpoint().port(), path);
    }
    /// All that came to this path so far, as the protocol's JSON.
    std::vector<json::value> received(const std::string& path) {
        const std::lock_guard lock(mutex_);
        return received_[path];
    }
    std::vector<std::string> faults() {
        const std::lock_guard lock(mutex_);
        return faults_;
    }

private:
    static std::string type_of(std::string_view path) {
        const std::string_view kind =
            path == "/v1/traces" ? "trace.v1.ExportTraceServiceRequest" : "metrics.v1.ExportMetricsServiceRequest";
        return fmt::format("opentelemetry.proto.collector.{}", kind);
    }
    static json::value decode(const std::string& path, const std::string& body) {
        namespace pb = google::protobuf;
        const pb::Descriptor* const type = pb::DescriptorPool::generated_pool()->FindMessageTypeByName(type_of(path));
        if (type == nullptr) throw std::runtime_error("the protocol's messages are not there");
        const std::unique_ptr<pb::Message> message(pb::MessageFactory::generated_factory()->GetPrototype(type)->New());
        if (!message->ParseFromString(body)) throw std::runtime_error("no such message");
        std::string text;
        if (!pb::util::MessageToJsonString(*message, &text).ok()) throw std::runtime_error("no JSON");
        return json::parse(text);
    }
    void take(const http::request<http::string_body>& request) {
        const std::string path(request.target());
        const std::lock_guard lock(mutex_);
        try {
            if (request.method() != http::verb::post) throw std::runtime_error("no POST");
            if (request[http::field::content_type] != "application/x-protobuf") throw std::runtime_error("no protobuf");
            received_[path].push_back(decode(path, request.body()));
        } catch (const std::exception& fault) {
            faults_.push_back(path + ": " + fault.what());
        }
    }
    asio::awaitable<void> accept() {
        for (;;) {
            asio::co_spawn(loop_, serve(co_await acceptor_.async_accept(asio::use_awaitable)), asio::detached);
        }
    }
    asio::awaitable<void> serve(asio::ip::tcp::socket socket) {
        boost::beast::flat_buffer buffer;
        try {
            for (;;) {
                http::request<http::string_body> request;
                co_await http::async_read(socket, buffer, request, asio::use_awaitable);
                take(request);
                http::response<http::string_body> response(http::status::ok, request.version());
                response.set(http::field::content_type, "application/x-protobuf");
                response.keep_alive(request.keep_alive());
                response.prepare_payload();
                co_await http::async_write(socket, response, asio::use_awaitable);
            }
        } catch (const boost::system::system_error&) {
            // The exporter has closed the connection.
        }
    }

    asio::io_context loop_{1};
    asio::ip::tcp::acceptor acceptor_;
    std::thread thread_;
    std::mutex mutex_;
    std::map<std::string, std::vector<json::value>> received_;
    std::vector<std::string> faults_;
};

/// `{"key": .., "value": {"stringValue": ..}}` and so on, as text.
Strings to_strings(const json::value& attributes) {
    Strings out;
    for (const json::value& each : attributes.as_array()) {
        const json::value& value = each.at("value").as_object().begin()->value();
        out[std::string(each.at("key").as_string())] =
            value.is_string() ? std::string(value.as_string()) : json::serialize(value);
    }
    return out;
}

// Of all that came: the elements below `outer` (resources), `scopes` of Redoubt, and `leaves`.
std::vector<json::value> inner(const std::vector<json::value>& all, const char* outer, const char* scopes,
                               const char* leaves) {
    std::vector<json::value> out;
    for (const json::value& request : all) {
        for (const json::value& resource : request.at(outer).as_array()) {
            for (const json::value& scope : resource.at(scopes).as_array()) {
                if (scope.at("scope").at("name") != "redoubt") continue;
                for (const json::value& each : scope.at(leaves).as_array()) out.push_back(each);
            }
        }
    }
    return out;
}

class OtelExport : public LiveServiceTest {};

TEST_P(OtelExport, SpansAndMetricsReachACollector) {
    Collector collector;
    const OtelSdk restores;  // the no-op providers, at the end
    otlp::OtlpHttpExporterOptions trace_options;
    trace_options.url = collector.url("/v1/traces");
    trace_options.content_type = otlp::HttpRequestContentType::kBinary;
    auto tracers = sdk::trace::TracerProviderFactory::Create(sdk::trace::BatchSpanProcessorFactory::Create(
        otlp::OtlpHttpExporterFactory::Create(trace_options), sdk::trace::BatchSpanProcessorOptions{}));
    auto* const flushes_spans = static_cast<sdk::trace::TracerProvider*>(tracers.get());
    OtelSdk::install(std::move(tracers));

    otlp::OtlpHttpMetricExporterOptions metric_options;
    metric_options.url = collector.url("/v1/metrics");
    metric_options.content_type = otlp::HttpRequestContentType::kBinary;
    auto meters = sdk::metrics::MeterProviderFactory::Create();
    sdk::metrics::PeriodicExportingMetricReaderOptions seldom;
    seldom.export_interval_millis = 60s;
    seldom.export_timeout_millis = 30s;
    meters->AddMetricReader(sdk::metrics::PeriodicExportingMetricReaderFactory::Create(
        otlp::OtlpHttpMetricExporterFactory::Create(metric_options), seldom));
    auto* const flushes_metrics = static_cast<sdk::metrics::MeterProvider*>(meters.get());
    OtelSdk::install(std::move(meters));

    RedisService service(config());
    add_otel_telemetry(service, {.query_text = true});
    service.initialize();
    auto redis = service.get_connection("alpha");
    redis.set("my-key", "my-value");
    EXPECT_FALSE(redis.try_lpush("my-key", "my-value"));
    (void)redis.pipeline().get("my-key").get("my-key").execute();
    ASSERT_TRUE(flushes_spans->ForceFlush(30s));
    ASSERT_TRUE(flushes_metrics->ForceFlush(30s));

    EXPECT_EQ(collector.faults(), std::vector<std::string>{});
    const std::vector<json::value> traces = collector.received("/v1/traces");
    std::map<std::string, json::value> spans;
    for (const json::value& span : inner(traces, "resourceSpans", "scopeSpans", "spans")) {
        spans[std::string(span.at("name").as_string())] = span;
    }
    ASSERT_TRUE(spans.contains("SET") && spans.contains("LPUSH") && spans.contains("PIPELINE GET"));
    EXPECT_EQ(spans["SET"].at("kind").as_string(), "SPAN_KIND_CLIENT");
    EXPECT_EQ(to_strings(spans["SET"].at("attributes")), (Strings{{"db.system.name", "redis"},
                                                                  {"db.operation.name", "SET"},
                                                                  {"db.namespace", "0"},
                                                                  {"db.query.text", "SET ? ?"},
                                                                  {"server.address", server().socket_path()},
                                                                  {"redoubt.project.id", "alpha"}}));
    EXPECT_EQ(spans["LPUSH"].at("status").at("code").as_string(), "STATUS_CODE_ERROR");
    EXPECT_EQ(to_strings(spans["LPUSH"].at("attributes")).at("error.type"), "WRONGTYPE");
    EXPECT_EQ(to_strings(spans["LPUSH"].at("attributes")).at("db.response.status_code"), "WRONGTYPE");
    EXPECT_EQ(to_strings(spans["PIPELINE GET"].at("attributes")).at("db.operation.batch.size"), "2");

    const std::vector<json::value> metrics = collector.received("/v1/metrics");
    std::map<std::string, json::value> by_name;
    for (const json::value& metric : inner(metrics, "resourceMetrics", "scopeMetrics", "metrics")) {
        by_name[std::string(metric.at("name").as_string())] = metric;
    }
    for (const char* name : {"db.client.operation.duration", "db.client.connection.count", "db.client.connection.max",
                             "db.client.connection.create_time", "redoubt.circuit_breaker.state", "redoubt.retries"}) {
        EXPECT_TRUE(by_name.contains(name)) << name;
    }
    std::set<std::string> operations;
    for (const json::value& point :
         by_name["db.client.operation.duration"].at("histogram").at("dataPoints").as_array()) {
        operations.insert(to_strings(point.at("attributes")).at("db.operation.name"));
    }
    EXPECT_TRUE(operations.contains("SET") && operations.contains("PIPELINE GET"));

    // Not a key, not a value, anywhere.
    for (const auto* all : {&traces, &metrics}) {
        for (const json::value& request : *all) {
            EXPECT_FALSE(contains(json::serialize(request), "my-key"));
            EXPECT_FALSE(contains(json::serialize(request), "my-value"));
        }
    }
}

REDOUBT_BOTH_SERVERS(OtelExport);

}  // namespace
}  // namespace redoubt
