// connection: the Asio driver; see its header.
#include "connection/async_wire.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/post.hpp>

namespace redoubt::connection {
namespace {

// With this many in flight, write in the middle of a turn (measured in the project's speed notes: 1.5 to 2 times
// the throughput at 64 to 256 callers; below it only costs system calls).
constexpr std::size_t overlap_depth = 48;
// Copying so much would hold up everybody else's turn.
constexpr std::size_t large_output = 256 * 1024;
// Reads and replies of one turn before the loop gets its turn again, and with it other wires and timers.
constexpr int reads_a_turn = 8;
constexpr std::size_t replies_a_turn = 4096;
constexpr std::size_t replies_a_short_turn = 128;
constexpr std::size_t short_read = 64 * 1024;

std::size_t replies_between_writes(std::size_t in_flight) { return std::clamp<std::size_t>(in_flight / 4, 16, 64); }

}  // namespace

AsyncWire::AsyncWire(boost::asio::any_io_executor executor, Transport transport, const WireSettings& settings,
                     Owner& owner)
    : descriptor_(executor),
      timer_(executor),
      transport_(std::move(transport)),
      settings_(settings),
      owner_(owner),
      multiplexer_(settings.reply_limits, settings.queue_limits, large_output),
      last_progress_(Clock::now()) {
    if (settings_.loss_timeout > Duration::zero()) transport_.set_loss_timeout(settings_.loss_timeout);
}

AsyncWire::~AsyncWire() { release_descriptor(); }

void AsyncWire::start() {
    descriptor_.assign(transport_.fd());
    wait_readable();
}

void AsyncWire::begin_turn() {
    flush_later();
    arm_timer();
}

Multiplexer::Cancelled AsyncWire::cancel(Operation& operation) { return multiplexer_.cancel(operation); }

void AsyncWire::flush_later() {
    if (flush_posted_ || waiting_writable_) return;
    flush_posted_ = true;
    boost::asio::post(descriptor_.get_executor(), [self = shared_from_this()] {
        self->flush_posted_ = false;
        if (self->open_) self->flush();
        if (self->open_) self->owner_.on_wire_turn(*self);
    });
}

void AsyncWire::flush() {
    while (multiplexer_.has_output() && !waiting_writable_) {
        const IoResult result = transport_.write(multiplexer_.output());
        multiplexer_.written(result.status == IoStatus::ok ? result.bytes : 0);
        switch (result.status) {
            case IoStatus::ok: break;
            case IoStatus::want_write: wait_writable(); return;
            // TLS wants to read first (a key update): the read that is always waited for goes on with it.
            case IoStatus::want_read: return;
            default: lose(lost_error(transport_.describe(result))); return;
        }
    }
    if (settings_.busy_poll > Duration::zero() && !in_turn_ && multiplexer_.in_flight() != 0) {
        look_until_ = Clock::now() + settings_.busy_poll;
        turn_again();
    }
}

void AsyncWire::wait_writable() {
    waiting_writable_ = true;
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_write,
                           [self = shared_from_this()](const boost::system::error_code& failed) {
                               self->waiting_writable_ = false;
                               if (!failed && self->open_) self->flush();
                           });
}

void AsyncWire::wait_readable() {
    if (waiting_readable_) return;
    waiting_readable_ = true;
    descriptor_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                           [self = shared_from_this()](const boost::system::error_code& failed) {
                               self->waiting_readable_ = false;
                               if (!failed && self->open_) self->on_readable();
                           });
}

void AsyncWire::on_readable() {
    turn_time_ = Clock::now();
    {
        // A handler that a reply resumes may throw; the exception belongs to whoever runs the loop, and the wire goes
        // on with its next turn.
        struct Turn {
            AsyncWire& wire;
            bool whole = false;
            ~Turn() {
                wire.in_turn_ = false;
                if (!whole) wire.turn_again();
            }
        } turn{*this};
        in_turn_ = true;
        exhausted_ = false;
        replies_left_ = settings_.short_turns ? replies_a_short_turn : replies_a_turn;
        if (deliver()) read_all();
        if (open_) owner_.on_wire_turn(*this);
        turn.whole = true;
    }
    if (!open_) return;
    flush();
    if (!open_) return;
    if (multiplexer_.idle()) owner_.on_wire_idle(*this);
    if (!open_) return;
    arm_timer();
    // OpenSSL may hold decrypted bytes that the descriptor does not announce.
    if (exhausted_ && settings_.read_pace > Duration::zero() && multiplexer_.awaits_large_reply()) {
        turn_later(settings_.read_pace);
    } else if (exhausted_ || (turn_time_ < look_until_ && multiplexer_.in_flight() != 0)) {
        turn_again();
    } else {
        wait_readable();
    }
}

void AsyncWire::turn_again() noexcept {
    if (turn_posted_) return;
    turn_posted_ = true;
    boost::asio::post(descriptor_.get_executor(), [self = shared_from_this()] {
        self->turn_posted_ = false;
        if (self->open_) self->on_readable();
    });
}

// So that a large reply takes its time in small pieces, between which the loop and the server are there for others.
void AsyncWire::turn_later(Duration pause) {
    if (turn_posted_) return;
    turn_posted_ = true;
    if (!pace_) pace_ = std::make_unique<boost::asio::steady_timer>(descriptor_.get_executor());
    pace_->expires_after(pause);
    pace_->async_wait([self = shared_from_this()](const boost::system::error_code&) {
        self->turn_posted_ = false;
        if (self->open_) self->on_readable();
    });
}

void AsyncWire::read_all() {
    for (int reads = 0; open_; ++reads) {
        const bool briefly = settings_.short_turns || multiplexer_.awaits_large_reply();
        if (reads == (briefly ? 1 : reads_a_turn)) {
            exhausted_ = true;
            return;
        }
        std::span<char> space = multiplexer_.read_space();
        if (settings_.short_turns && space.size() > short_read) [[unlikely]]
            space = space.first(short_read);
        const IoResult result = transport_.read(space);
        switch (result.status) {
            case IoStatus::ok: break;
            case IoStatus::want_read: return;
            case IoStatus::want_write: flush(); return;
            default: lose(lost_error(transport_.describe(result))); return;
        }
        last_progress_ = turn_time_;
        multiplexer_.commit_read(result.bytes);
        if (!deliver()) return;
        // A plain socket that gave less than was asked for is empty; TLS may hold another record.
        if (result.bytes < space.size() && !transport_.is_tls()) return;
    }
}

bool AsyncWire::deliver() {
    for (;;) {
        const std::size_t depth = multiplexer_.in_flight();
        const std::size_t share = replies_between_writes(depth);
        switch (multiplexer_.process(share)) {
            case Multiplexer::Progress::drained: return open_;
            case Multiplexer::Progress::fault: lose(fault_error(multiplexer_)); return false;
            case Multiplexer::Progress::more:
                if (!open_) return false;
                owner_.on_wire_turn(*this);
                if (depth >= overlap_depth) flush();
                if (!open_) return false;
                replies_left_ -= std::min(share, replies_left_);
                if (replies_left_ == 0) {
                    exhausted_ = true;
                    return false;
                }
                break;
        }
    }
}

// One timer for all deadlines: it stands at the earliest that was ever seen, finds out then, and is set again.
void AsyncWire::arm_timer() {
    if (multiplexer_.in_flight() == 0) return;
    const TimePoint next = std::min(multiplexer_.earliest_deadline(), last_progress_ + settings_.attempt_timeout);
    if (next >= timer_at_) return;
    timer_at_ = next;
    timer_.expires_at(next);
    timer_.async_wait([weak = weak_from_this()](const boost::system::error_code& failed) {
        if (failed) return;
        if (const auto self = weak.lock(); self && self->open_) self->on_timer();
    });
}

void AsyncWire::on_timer() {
    timer_at_ = TimePoint::max();
    const TimePoint now = Clock::now();
    // First the watchdog: a wire that stands still is one failure, not one of each command on it.
    if (multiplexer_.in_flight() != 0 && now - last_progress_ >= settings_.attempt_timeout) {
        lose(stalled_error());
        return;
    }
    if (multiplexer_.in_flight() == 0) return multiplexer_.release_memory();  // it rests
    if (multiplexer_.expire(now) != 0 && open_) owner_.on_operations_expired(*this);
    if (!open_) return;
    arm_timer();
}

void AsyncWire::lose(const Error& error) {
    if (!open_) return;
    const auto self = shared_from_this();  // the owner may drop its reference
    open_ = false;
    timer_.cancel();
    release_descriptor();
    transport_.close();
    owner_.on_wire_lost(*this, error);
    multiplexer_.fail_all(error);
}

void AsyncWire::close(const Error& error) {
    if (!open_) return;
    const auto self = shared_from_this();
    open_ = false;
    timer_.cancel();
    release_descriptor();
    transport_.close();
    multiplexer_.fail_all(error);
}

Transport AsyncWire::detach() {
    open_ = false;
    timer_.cancel();
    release_descriptor();
    return std::move(transport_);
}

void AsyncWire::release_descriptor() noexcept {
    if (descriptor_.is_open()) (void)descriptor_.release();
}

}  // namespace redoubt::connection
