// tests: a collector's stand-in on loopback, as far as OTLP/HTTP goes: it decodes the protobuf that it is sent.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/message.h>
#include <google/protobuf/util/json_util.h>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json.hpp>

namespace redoubt::testing {

namespace asio = boost::asio;
namespace http = boost::beast::http;
namespace json = boost::json;

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
inline std::map<std::string, std::string> texts_of(const json::value& attributes) {
    std::map<std::string, std::string> out;
    for (const json::value& each : attributes.as_array()) {
        const json::value& value = each.at("value").as_object().begin()->value();
        out[std::string(each.at("key").as_string())] =
            value.is_string() ? std::string(value.as_string()) : json::serialize(value);
    }
    return out;
}

// Of all that came: the elements below `outer` (resources), `scopes` of Redoubt, and `leaves`.
inline std::vector<json::value> inner(const std::vector<json::value>& all, const char* outer, const char* scopes,
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

}  // namespace redoubt::testing
