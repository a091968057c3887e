// pool: the listener, on its executor's thread; see its header.
#include "pool/listener.hpp"

#include <algorithm>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/post.hpp>

#include "connection/moved.hpp"
#include "connection/wire_settings.hpp"

namespace redoubt::pool {

namespace asio = boost::asio;
using connection::IoStatus;

namespace {

// While the breaker is open the node's own probes decide; this is how often to look whether they have.
constexpr auto breaker_look = std::chrono::milliseconds(50);
// Of one turn, so that other work of the loop has its own.
constexpr int reads_a_turn = 16;

}  // namespace

Listener::Listener(asio::any_io_executor executor, std::shared_ptr<Connections> connections,
                   const connection::SubscriptionSettings& settings, const Backoff& backoff)
    : executor_(std::move(executor)),
      connections_(std::move(connections)),
      backoff_(backoff),
      subscription_(settings),
      random_(std::random_device{}()) {}

Listener::~Listener() { shut(); }

// Something is wanted that was not, or it is time.
void Listener::go_on() {
    Lock lock(mutex_);
    if (closed_) return;
    const bool connected = transport_.is_open();
    const bool wanted = subscription_.wants_connection();
    lock.unlock();
    if (connected) {
        flush();
        if (transport_.is_open()) wait_readable();
    } else if (wanted && !dialing_) {
        if (Clock::now() < connect_at_) return arm_timer(connect_at_);
        dialing_ = true;
        // The signal has to outlive the coroutine, whose end may be this one's, too.
        stop_dial_ = std::make_shared<asio::cancellation_signal>();
        asio::co_spawn(
            executor_, dial(shared_from_this()),
            asio::bind_cancellation_slot(stop_dial_->slot(), [signal = stop_dial_](const std::exception_ptr&) {}));
    }
}

asio::awaitable<void> Listener::dial(std::shared_ptr<Listener> /*keeps this alive*/) {
    Node& node = connections_->node();
    Connection made;
    std::optional<Error> failed;
    if (!lets_calls_pass(node.breaker().state())) {
        failed =
            Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission, "the node's breaker is open");
    } else if (const Ledger::Grant grant = connections_->request_now(); grant == Ledger::Grant::refuse) {
        failed = connections_->closed();
        if (!failed) failed = exhausted("all connections of the project are leased (max_connections)");
    } else {
        Connection rested;
        switch (connections_->open_leased(grant, rested)) {
            case Connections::Opening::ready: made = std::move(rested); break;
            case Connections::Opening::refused: failed = connections_->refusal(); break;
            case Connections::Opening::dial: {
                Dialed dialed = co_await connections_->async_dial(TimePoint::max());
                if (dialed.error) {
                    connections_->lease_not_opened();
                    failed = dialed.error;
                } else {
                    connections_->lease_opened();
                    made = {std::move(dialed.transport), TimePoint::max(), dialed.node};
                }
                break;
            }
        }
    }
    dialing_ = false;
    if (failed && connection::is_moved(*failed)) {
        go_on();
    } else if (failed) {
        try_again_later(*failed);
    } else {
        adopt(std::move(made));
    }
}

void Listener::adopt(Connection connection) {
    transport_ = std::move(connection.transport);
    node_ = connection.node;
    failures_ = 0;
    Lock lock(mutex_);
    if (closed_) {
        lock.unlock();
        return shut();
    }
    last_failure_.reset();
    subscription_.connected(Clock::now());
    lock.unlock();
    descriptor_.emplace(executor_, transport_.fd());
    flush();
    if (!transport_.is_open()) return;
    // OpenSSL may hold bytes already.
    on_readable();
}

void Listener::try_again_later(const Error& error) {
    const bool breaker = error.kind == ErrorKind::circuit_open;
    const Duration most = std::min<Duration>(backoff_.most, backoff_.base * (1u << std::min(failures_, 20u)));
    if (!breaker) ++failures_;
    const double chance = std::uniform_real_distribution<double>(0, 1)(random_);
    // Spread, so that the listeners do not all come when the breaker closes.
    const Duration pause = breaker ? std::chrono::duration_cast<Duration>(breaker_look * (0.5 + chance))
                                   : std::chrono::duration_cast<Duration>(most * chance) + std::chrono::milliseconds(1);
    connect_at_ = Clock::now() + pause;
    Lock lock(mutex_);
    if (closed_) return;
    last_failure_ = error;
    changed(std::move(lock));
    arm_timer(connect_at_);
}

void Listener::wait_readable() {
    if (waiting_readable_) return;
    {
        const Lock lock(mutex_);
        if (!subscription_.may_read()) return;  // whoever receives kicks
    }
    waiting_readable_ = true;
    descriptor_->async_wait(asio::posix::stream_descriptor::wait_read,
                            [self = shared_from_this()](const boost::system::error_code& failed) {
                                if (failed) return;  // of a connection that is gone
                                self->waiting_readable_ = false;
                                if (self->transport_.is_open()) self->on_readable();
                            });
}

void Listener::on_readable() {
    bool heard = false;
    std::optional<Error> fault;
    for (int reads = 0;; ++reads) {
        Lock lock(mutex_);
        if (closed_ || !subscription_.may_read()) break;
        if (reads == reads_a_turn) {
            kicked_ = false;
            kick();
            break;
        }
        const std::span<char> space = subscription_.read_space();
        lock.unlock();
        const connection::IoResult result = transport_.read(space);
        if (result.status == IoStatus::want_read || result.status == IoStatus::want_write) break;
        if (result.status != IoStatus::ok) {
            fault = connection::lost_error(transport_.describe(result));
            break;
        }
        lock.lock();
        heard = true;
        if (!subscription_.commit_read(result.bytes, Clock::now())) {
            fault = *subscription_.fault();
            break;
        }
    }
    if (heard) changed(Lock(mutex_));
    if (fault) return lose(*fault);
    flush();
    if (transport_.is_open()) end_if_unwanted();
    if (transport_.is_open()) wait_readable();
}

// Under the lock while it writes: the bytes may move when somebody subscribes. The socket never blocks.
void Listener::flush() {
    std::optional<Error> failed;
    {
        const Lock lock(mutex_);
        while (!waiting_writable_ && !subscription_.output().empty()) {
            const connection::IoResult result = transport_.write(subscription_.output());
            if (result.status == IoStatus::ok) {
                subscription_.written(result.bytes);
                continue;
            }
            if (result.status == IoStatus::want_read) break;  // TLS: the read that is always waited for goes on with it
            if (result.status != IoStatus::want_write) {
                failed = connection::lost_error(transport_.describe(result));
                break;
            }
            waiting_writable_ = true;
            descriptor_->async_wait(asio::posix::stream_descriptor::wait_write,
                                    [self = shared_from_this()](const boost::system::error_code& gone) {
                                        if (gone) return;
                                        self->waiting_writable_ = false;
                                        if (self->transport_.is_open()) self->flush();
                                    });
        }
    }
    if (failed) return lose(*failed);
    Lock lock(mutex_);
    const TimePoint at = subscription_.wake_at();
    lock.unlock();
    arm_timer(at);
}

void Listener::arm_timer(TimePoint at) {
    if (at >= timer_at_) return;
    if (!timer_) timer_.emplace(executor_);
    timer_at_ = at;
    timer_->expires_at(at);
    timer_->async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        if (failed) return;
        if (const auto self = weak.lock()) self->on_timer();
    });
}

void Listener::on_timer() {
    timer_at_ = TimePoint::max();
    if (!transport_.is_open()) return go_on();
    Lock lock(mutex_);
    if (closed_) return;
    const bool alive = subscription_.on_time(Clock::now());
    const std::optional<Error> fault = subscription_.fault();
    lock.unlock();
    if (!alive) return lose(*fault);
    flush();
}

// Nothing is wanted any more, and the server knows.
void Listener::end_if_unwanted() {
    {
        const Lock lock(mutex_);
        if (subscription_.wants_connection() || subscription_.awaits_answer()) return;
        subscription_.lost({});
    }
    close_transport();
}

void Listener::close_transport() noexcept {
    if (!transport_.is_open()) return;
    if (descriptor_) (void)descriptor_->release();
    descriptor_.reset();
    waiting_readable_ = waiting_writable_ = false;
    transport_.close();
    connections_->end_lease({});
}

void Listener::lose(const Error& error) {
    close_transport();
    Lock lock(mutex_);
    // A server that closes a connection on which it owes nothing is not failing; one that does not answer is.
    const bool owed = subscription_.awaits_answer() || subscription_.fault().has_value();
    subscription_.lost(error.reason());
    // What is not the project's own came: nobody can say what else will.
    if (error.kind == ErrorKind::isolation) {
        closed_ = error;
        return changed(std::move(lock));
    }
    lock.unlock();
    if (owed) node_->record_connection_failure(error, Clock::now());
    try_again_later(error);
}

void Listener::leave_node(const Error& error) {
    connect_at_ = TimePoint::min();
    failures_ = 0;
    if (dialing_) return stop_dialing();  // and it goes on when that has ended
    if (transport_.is_open() && connections_->is_left(node_)) {
        close_transport();
        Lock lock(mutex_);
        subscription_.lost(error.reason());
        changed(std::move(lock));
    }
    go_on();
}

void Listener::stop_dialing() {
    if (const auto signal = stop_dial_; dialing_ && signal) signal->emit(asio::cancellation_type::terminal);
}

void Listener::shut() noexcept {
    timer_.reset();
    timer_at_ = TimePoint::max();
    close_transport();
}

}  // namespace redoubt::pool
