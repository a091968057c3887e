// tests: an HTTP server of the admin room on a loop and a thread of its own.
#pragma once

#include <functional>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_future.hpp>

#include "admin/http_server.hpp"
#include "support/http_client.hpp"

namespace redoubt::testing {

class HttpRig {
public:
    using Routes = std::function<void(admin::Router&, boost::asio::io_context&)>;
    explicit HttpRig(const Routes& routes, admin::HttpLimits limits = {}, std::string token = {})
        : server_(loop_, admin::Access(std::move(token)), limits) {
        routes(server_.routes(), loop_);
        server_.listen({boost::asio::ip::address_v4::loopback(), 0});
        port_ = server_.endpoint().port();
        thread_ = std::thread([this] { loop_.run(); });
    }
    ~HttpRig() {
        drain().get();
        work_.reset();
        thread_.join();
    }
    HttpRig(const HttpRig&) = delete;
    HttpRig& operator=(const HttpRig&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    std::future<void> drain() { return boost::asio::co_spawn(loop_, server_.drain(), boost::asio::use_future); }
    template <class Ask>
    auto on_loop(Ask ask) {
        const auto task = std::make_shared<std::packaged_task<decltype(ask())()>>(std::move(ask));
        auto answer = task->get_future();
        boost::asio::post(loop_, [task] { (*task)(); });
        return answer.get();
    }
    std::size_t connections() {
        return on_loop([this] { return server_.connections(); });
    }
    HttpAnswer get(std::string_view path, std::string_view headers = {}) {
        return HttpClient(port_).ask("GET", path, headers);
    }

private:
    boost::asio::io_context loop_{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work_{loop_.get_executor()};
    admin::HttpServer server_;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace redoubt::testing
