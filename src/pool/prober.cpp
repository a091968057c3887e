// pool: the prober; see its header.
#include "pool/prober.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/dispatch.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "connection/async_dial.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;

struct Prober::Loop {
    Loop(const asio::any_io_executor& executor, std::shared_ptr<Node> probed, std::shared_ptr<Identity> login)
        : timer(executor), node(std::move(probed)), identity(std::move(login)) {}

    asio::awaitable<void> run(std::shared_ptr<Prober> owner);
    asio::awaitable<std::optional<Error>> probe();
    bool wanted() const noexcept {
        const CircuitState state = node->breaker().state();
        return state == CircuitState::open || state == CircuitState::half_open;
    }
    asio::awaitable<void> pause_until(TimePoint time);

    asio::steady_timer timer;
    std::shared_ptr<asio::cancellation_signal> stop_dial;  // of the run under way, which keeps it
    std::shared_ptr<Node> node;
    std::shared_ptr<Identity> identity;
    connection::Transport transport;  // kept from one probe to the next
    TimePoint pinged;                 // when the PING of the last probe was sent
};

Prober::Prober(asio::any_io_executor executor, std::shared_ptr<Node> node, std::shared_ptr<Identity> identity)
    : executor_(std::move(executor)),
      node_(std::move(node)),
      loop_(std::make_shared<Loop>(executor_, node_, std::move(identity))) {}

void Prober::wake() {
    if (stopped_.load(std::memory_order_acquire) || running_.exchange(true, std::memory_order_acq_rel)) return;
    asio::post(executor_, [self = shared_from_this()] {
        const auto signal = std::make_shared<asio::cancellation_signal>();
        self->loop_->stop_dial = signal;
        asio::co_spawn(self->executor_, self->loop_->run(self),
                       asio::bind_cancellation_slot(signal->slot(), [signal](const std::exception_ptr&) {}));
    });
}

void Prober::stop() {
    stopped_.store(true, std::memory_order_release);
    asio::dispatch(executor_, [self = shared_from_this()] {
        self->loop_->timer.cancel();
        if (const auto signal = self->loop_->stop_dial; signal && self->running_.load(std::memory_order_acquire))
            signal->emit(asio::cancellation_type::terminal);
    });
}

asio::awaitable<void> Prober::Loop::run(std::shared_ptr<Prober> owner) {
    while (!owner->stopped_.load(std::memory_order_acquire)) {
        const RedisCircuitBreaker& breaker = node->breaker();
        if (!wanted()) {
            owner->running_.store(false, std::memory_order_release);
            // It may have opened again before that was seen.
            if (!wanted() || owner->running_.exchange(true)) break;
            continue;
        }
        if (breaker.state() == CircuitState::open) co_await pause_until(breaker.half_open_at());
        if (owner->stopped_.load(std::memory_order_acquire)) break;
        const Node::Admission permit = node->admit_probe(Clock::now());
        if (!permit) {  // somebody else holds it, or the time was moved
            co_await pause_until(Clock::now() + std::max<Duration>(permit.retry_after, std::chrono::milliseconds(10)));
            continue;
        }
        const std::optional<Error> failure = co_await probe();
        if (failure) {
            transport.close();
            node->record_failure(permit, Clock::now());
        } else {
            const TimePoint now = Clock::now();
            node->record_success(permit, now, now - pinged);
        }
    }
    transport.close();
}

asio::awaitable<std::optional<Error>> Prober::Loop::probe() {
    if (!transport.is_open()) {
        connection::DialOutcome dialed =
            co_await async_dial_as(*node, identity.get(), Clock::now() + node->connection_timeout());
        // A server that refuses the login answers: whoever calls is told of that, and not of a breaker.
        if (dialed.error && dialed.error->kind == ErrorKind::authentication) co_return std::nullopt;
        if (dialed.error) co_return dialed.error;
        transport = std::move(dialed.transport);
    }
    pinged = Clock::now();  // a connect with TLS takes longer than a call does
    co_return co_await connection::async_ping(transport, node->wire().reply_limits,
                                              Clock::now() + node->attempt_timeout());
}

asio::awaitable<void> Prober::Loop::pause_until(TimePoint time) {
    timer.expires_at(time);
    boost::system::error_code ignored;
    co_await timer.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

}  // namespace redoubt::pool
