// apps: `redoubt serve`: the HTTP endpoint: health, metrics, and the cache of projects.
#include <algorithm>
#include <csignal>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include <redoubt/redoubt.hpp>

#include "admin/admin_server.hpp"
#include "admin/live_feed.hpp"
#include "admin/page.hpp"
#include "apps/commands.hpp"
#include "apps/otel_sdk.hpp"
#include "apps/output.hpp"
#include "apps/target.hpp"

namespace redoubt::apps {
namespace {

namespace asio = boost::asio;

constexpr std::uint16_t default_port = 5241;
constexpr Duration first_pause = 200ms;
constexpr Duration longest_pause = 1s;

struct ServeOptions {
    TargetOptions target;
    std::string bind = "127.0.0.1";
    std::uint16_t port = default_port;
};

/// One run: everything on one loop, which ends when a signal came and all is drained.
class Serving {
public:
    Serving(const ServeOptions& options, RedisServiceConfig config)
        : json_(options.target.json),
          drain_timeout_(config.drain_timeout),
          service_(loop_, std::move(config)),
          calls_(std::make_shared<admin::CallMetrics>()),
          server_(loop_, service_, calls_, admin_options(options)),
          feed_(std::make_shared<admin::LiveFeed>(loop_, service_, calls_)) {
        service_.add_telemetry(calls_);
        otel_.watch(service_);
        admin::add_page_routes(server_.http().routes());
        admin::add_feed_route(server_.http().routes(), feed_);
    }

    int run() {
        server_.listen();
        feed_->start();
        asio::co_spawn(loop_, wait_for_signal(), asio::detached);
        asio::co_spawn(loop_, connect(), asio::bind_cancellation_slot(end_connecting_.slot(), [this](auto failure) {
                           if (failure && !stopping_) {
                               failure_ = failure;
                               stop();
                           }
                       }));
        while (!ended_ && loop_.run_one() != 0) {  // the second signal stops it
        }
        // The calls that are left end within the drain time-out; nothing may keep the process for ever.
        loop_.run_for(drain_timeout_ + 5s);
        if (failure_) std::rethrow_exception(failure_);
        return 0;
    }

private:
    static admin::AdminOptions admin_options(const ServeOptions& options) {
        admin::AdminOptions out;
        out.bind = options.bind;
        out.port = options.port;
        out.token = admin::token_from_environment();
        out.version = REDOUBT_VERSION;
        return out;
    }

    /// A server that is not there yet is waited for, and /health says so meanwhile; what waiting cannot mend ends it.
    asio::awaitable<void> connect() {
        asio::steady_timer timer(loop_);
        for (Duration pause = first_pause;; pause = std::min(pause * 2, longest_pause)) {
            std::optional<Error> failure;
            try {
                co_await service_.async_initialize();
            } catch (const RedisException& down) {
                if (!may_pass(down.error().kind)) throw;
                failure = down.error();
            }
            if (stopping_) co_return;
            if (!failure) break;
            server_.set_down_reason(failure->message());
            feed_->set_down_reason(failure->message());
            print_error(fmt::format("redoubt: not connected yet: {}", failure->message()));
            announce();
            timer.expires_after(pause);
            co_await timer.async_wait(asio::use_awaitable);
        }
        announce();
    }

    static bool may_pass(ErrorKind kind) noexcept {
        return kind == ErrorKind::connection || kind == ErrorKind::timeout || kind == ErrorKind::circuit_open ||
               kind == ErrorKind::server || kind == ErrorKind::pool_exhausted;
    }

    void announce() {
        if (std::exchange(announced_, true)) return;
        json_ ? print_json({{"url", server_.url()}}, true)
              : print_line(fmt::format("redoubt: serving on {}", server_.url()));
    }

    asio::awaitable<void> wait_for_signal() {
        boost::system::error_code error;
        co_await signals_.async_wait(asio::redirect_error(asio::use_awaitable, error));
        if (error) co_return;
        if (!stopping_) stop();
        // A second one does not wait.
        signals_.async_wait([this](const boost::system::error_code& cancelled, int) {
            if (!cancelled) loop_.stop();
        });
    }

    void stop() {
        stopping_ = true;
        asio::co_spawn(loop_, end(), asio::detached);
    }

    asio::awaitable<void> end() {
        end_connecting_.emit(asio::cancellation_type::terminal);
        feed_->stop();
        co_await server_.drain();
        service_.close();
        signals_.cancel();
        ended_ = true;
    }

    const bool json_;
    const Duration drain_timeout_;
    const OtelSdk otel_;  // outlives what it watches
    asio::io_context loop_{1};
    asio::signal_set signals_{loop_, SIGTERM, SIGINT};
    RedisService service_;
    std::shared_ptr<admin::CallMetrics> calls_;
    admin::AdminServer server_;
    std::shared_ptr<admin::LiveFeed> feed_;
    asio::cancellation_signal end_connecting_;
    bool stopping_ = false;
    bool announced_ = false;
    bool ended_ = false;
    std::exception_ptr failure_;
};

int run_serve(const ServeOptions& options) {
    ConnectionTarget target(options.target);
    return Serving(options, target.config).run();
}

}  // namespace

void add_serve(CLI::App& app, Invocation& invocation) {
    const auto options = std::make_shared<ServeOptions>();
    CLI::App* command = app.add_subcommand(
        "serve", "Answer HTTP: a page at /, /health, /metrics, /projects/ID/cache; until SIGTERM or SIGINT");
    add_target_options(*command, options->target);
    command->add_option("--bind", options->bind, "Address to listen on; other than loopback with REDOUBT_ADMIN_TOKEN")
        ->capture_default_str();
    command->add_option("--port", options->port, "Port to listen on; 0: a free one")->capture_default_str();
    command->footer(
        "REDOUBT_ADMIN_TOKEN, when set, is asked for on all routes but /health/live, /health/ready and the page's "
        "files\n"
        "(Authorization: Bearer TOKEN). It prints its address when it is ready.");
    command->callback([options, &invocation] { invocation.run = [options] { return run_serve(*options); }; });
}

}  // namespace redoubt::apps
