// connection: the leader/follower driver; see its header.
#include "connection/blocking_wire.hpp"

#include <algorithm>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "connection/waiter.hpp"

namespace redoubt::connection {
namespace {

// A connection that rested for longer is looked at before it is used: its peer may have left.
constexpr auto trusted_rest = std::chrono::milliseconds(5);

// Measured at 8 threads: twice the throughput; at 16 and more it only costs.
constexpr std::size_t few_waiting = 8;
constexpr int yields_before_sleep = 4;
// The most that waited lately; forgotten by one part in so many with each call.
constexpr std::size_t crowd_unit = 64;

int poll_timeout(TimePoint until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000));
}

Error no_room_error() {
    return Error::of(ErrorKind::timeout, Certainty::not_sent, Stage::waiting_for_wire,
                     "no room in the wire's queue in time (max_queued_commands or max_queued_bytes)");
}

}  // namespace

void BlockingOperation::begin(BlockingWire& wire, Waiter& waiter, TimePoint now) {
    waiter.reset();
    error_.reset();
    source_ = FailureSource::operation;
    begun_ = now;
    deadline_ = std::min(call_deadline(), now + attempt_timeout());
    in_line_ = refused_ = false;
    wire_ = &wire;
    waiter_ = &waiter;
}

void BlockingOperation::on_complete() { wire_->finish(*waiter_); }

void BlockingOperation::on_failure(const Error& error, FailureSource source) {
    error_ = error;
    source_ = source;
    wire_->finish(*waiter_);
}

BlockingWire::BlockingWire(Transport transport, const WireSettings& settings)
    : transport_(std::move(transport)),
      settings_(settings),
      multiplexer_(settings.reply_limits, settings.queue_limits),
      last_progress_(Clock::now()),
      wake_fd_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (settings_.loss_timeout > Duration::zero()) transport_.set_loss_timeout(settings_.loss_timeout);
}

BlockingWire::~BlockingWire() {
    if (wake_fd_ >= 0) ::close(wake_fd_);
}

bool BlockingWire::run(BlockingOperation& operation, TimePoint now) {
    Waiter& waiter = Waiter::of_this_thread();
    operation.begin(*this, waiter, now);

    Lock lock(mutex_);
    if (!usable(now)) return false;
    if (expected_ != 0) --expected_;
    operation.in_line_ = true;
    line_.push_back(operation);
    admit();
    load_.store(multiplexer_.in_flight(), std::memory_order_relaxed);
    crowd_ = std::max(multiplexer_.in_flight() * crowd_unit, crowd_ - crowd_ / crowd_unit);
    write_out(lock, waiter);

    for (;;) {
        if (waiter.state() == Waiter::State::done) break;
        if (!led_) {
            led_ = true;
            lead(lock, operation);
            break;
        }
        const Seats::Seat seat = seats_.next();
        const bool few = crowd_ <= few_waiting * crowd_unit;
        lock.unlock();
        // While few wait, the answer often comes before it is their turn to run again, and nobody has to be woken.
        for (int i = 0; few && i != yields_before_sleep && waiter.state() == Waiter::State::running; ++i)
            yield_briefly();
        const Waiter::State state = waiter.park_until(operation.deadline_, seat);
        if (state == Waiter::State::done) return !operation.refused_;
        lock.lock();
        if (state == Waiter::State::lead) {
            // The wire may have been lost since; then the operation is done, and there is nothing to lead.
            if (waiter.state() == Waiter::State::lead) waiter.reset();
            lead(lock, operation);
            break;
        }
        // The time is over; the answer or the lead may have come while the lock was taken.
        if (waiter.state() == Waiter::State::done) break;
        const bool promoted = waiter.state() == Waiter::State::lead;
        give_up(operation);
        if (promoted) pass_leadership();
        break;
    }
    wake_finished(lock);
    return !operation.refused_;
}

bool BlockingWire::usable(TimePoint now) {
    if (!open_) return false;
    if (multiplexer_.in_flight() == 0) {
        if (!led_ && now - last_progress_ > trusted_rest && !transport_.is_quiet()) {
            shut();
            return false;
        }
        last_progress_ = now;
    }
    return true;
}

// Encodes from the arguments of threads that are parked, so that nobody has to be woken only to get in.
void BlockingWire::admit() {
    while (!line_.empty()) {
        auto& first = static_cast<BlockingOperation&>(*line_.first());
        if (!multiplexer_.submit(first, first.begun_)) return;
        line_.remove(first);
        first.in_line_ = false;
    }
}

void BlockingWire::write_out(Lock& lock, const Waiter& waiter) {
    if (writing_ || blocked_ || leader_comes_by_) return;
    writing_ = true;
    gather(lock);
    flush(lock, waiter);
}

// Threads that were woken together usually call again together: they get the chance to append before the one write.
// Nobody waits: the call returns at once when no other thread is ready to run, and it is made only when some are due.
void BlockingWire::gather(Lock& lock) {
    if (expected_ == 0) return;
    const std::size_t before = expected_;
    lock.unlock();
    ::sched_yield();
    lock.lock();
    if (expected_ >= before) expected_ = 0;  // nobody came: they do something else
}

void BlockingWire::flush(Lock& lock, const Waiter& waiter) {
    writing_ = true;
    while (open_ && multiplexer_.has_output()) {
        // Who has its answer does not go on writing for others: the leader does.
        if (waiter.state() == Waiter::State::done) {
            blocked_ = true;
            if (led_) wake_leader();
            break;
        }
        const std::string_view bytes = multiplexer_.output();
        admit();
        lock.unlock();
        const IoResult result = transport_.write(bytes);
        lock.lock();
        multiplexer_.written(result.status == IoStatus::ok ? result.bytes : 0);
        if (result.status == IoStatus::ok) continue;
        if (result.status == IoStatus::want_write || result.status == IoStatus::want_read) {
            blocked_ = true;
            if (led_) wake_leader();
            break;
        }
        lose(lost_error(transport_.describe(result)));
    }
    writing_ = false;
}

void BlockingWire::lead(Lock& lock, BlockingOperation& operation) {
    while (operation.waiter_->state() != Waiter::State::done) {
        const TimePoint stalled_at = last_progress_ + settings_.attempt_timeout;
        read_once(lock, *operation.waiter_, std::min(operation.deadline_, stalled_at));
        if (operation.waiter_->state() == Waiter::State::done) break;
        const TimePoint now = Clock::now();
        const bool stalled = now - last_progress_ >= settings_.attempt_timeout;
        const bool late = now >= operation.deadline_;
        // Its own time and the watchdog's usually end together: then the wire is at fault, unless it never got in.
        if (late && (!stalled || operation.in_line_)) give_up(operation);
        if (stalled) lose(stalled_error());
        if (late) break;
    }
    pass_leadership();
}

void BlockingWire::read_once(Lock& lock, const Waiter& leader, TimePoint until) {
    if (!writing_ && !blocked_) flush(lock, leader);
    if (!open_ || leader.state() == Waiter::State::done) return;
    const short events = static_cast<short>(POLLIN | (blocked_ ? POLLOUT : 0));
    pollfd watched[2] = {{transport_.fd(), events, 0}, {wake_fd_, POLLIN, 0}};
    lock.unlock();
    std::span<char> space;
    IoResult result{IoStatus::want_read, 0};
    // OpenSSL may hold bytes of which poll knows nothing.
    if (transport_.is_tls()) result = transport_.read(space = multiplexer_.read_space());
    if (result.status == IoStatus::want_read || result.status == IoStatus::want_write) {
        if (!spin(watched, until)) (void)::poll(watched, 2, poll_timeout(until));
        if ((watched[0].revents & ~POLLOUT) != 0) result = transport_.read(space = multiplexer_.read_space());
    }
    lock.lock();
    if (!open_) return;

    if (watched[1].revents != 0) {
        eventfd_t ignored = 0;
        (void)::eventfd_read(wake_fd_, &ignored);
    }
    switch (result.status) {
        case IoStatus::ok:
            last_progress_ = Clock::now();
            multiplexer_.commit_read(result.bytes);
            // Whoever leads has the replies of all in hand: no memory for one must not leave the others without a leader.
            try {
                if (multiplexer_.process(std::numeric_limits<std::size_t>::max()) == Multiplexer::Progress::fault) {
                    lose(fault_error(multiplexer_));
                }
            } catch (const std::bad_alloc&) {
                lose(lost_error("no memory for a reply"));
            } catch (const std::length_error&) {
                lose(lost_error("no memory for a reply"));
            }
            load_.store(multiplexer_.in_flight(), std::memory_order_relaxed);
            congested_.store(multiplexer_.awaits_large_reply(), std::memory_order_relaxed);
            admit();
            break;
        case IoStatus::want_read:
        case IoStatus::want_write: break;
        default: lose(lost_error(transport_.describe(result))); break;
    }
    if (open_ && blocked_ && (watched[0].revents & POLLOUT) != 0) {
        blocked_ = false;
        if (!writing_) flush(lock, leader);
    }
    if (leader.state() == Waiter::State::done) return;
    leader_comes_by_ = true;
    wake_finished(lock);
    leader_comes_by_ = false;
}

// Looks for `busy_poll` without sleeping. Whoever else is ready to run, the server perhaps, goes first.
bool BlockingWire::spin(std::span<pollfd> watched, TimePoint until) const {
    if (settings_.busy_poll <= Duration::zero()) return false;
    const TimePoint end = std::min(until, Clock::now() + settings_.busy_poll);
    do {
        if (::poll(watched.data(), watched.size(), 0) != 0) return true;
        yield_briefly();
    } while (Clock::now() < end);
    return false;
}

void BlockingWire::give_up(BlockingOperation& operation) {
    if (operation.in_line_) {
        line_.remove(operation);
        operation.in_line_ = false;
        operation.error_ = no_room_error();
        return;
    }
    const bool sent = multiplexer_.cancel(operation) == Multiplexer::Cancelled::tombstone;
    operation.error_ =
        Error::of(ErrorKind::timeout, sent ? Certainty::unknown : Certainty::not_sent,
                  sent ? Stage::sent : Stage::queued, sent ? "no answer in time" : "not written in time");
    admit();
}

void BlockingWire::pass_leadership() {
    led_ = false;
    Operation* const oldest = multiplexer_.oldest();
    auto* const next = static_cast<BlockingOperation*>(oldest != nullptr ? oldest : line_.first());
    if (next == nullptr || !open_) return;
    led_ = true;
    // First, so that somebody reads and writes while the others are being woken.
    if (const Seats::Seat seat = next->waiter_->signal(Waiter::State::lead); seat.row != nullptr) {
        finished_.insert(finished_.begin(), seat);
    }
}

void BlockingWire::finish(Waiter& waiter) {
    const Seats::Seat seat = waiter.signal(Waiter::State::done);
    if (seat.row == nullptr) return;
    finished_.push_back(seat);
    ++expected_;
}

void BlockingWire::wake_finished(Lock& lock) {
    if (finished_.empty()) return;
    std::vector<Seats::Seat> woken;
    woken.swap(finished_);
    lock.unlock();
    Waiter::wake(woken);
    lock.lock();
    woken.clear();
    if (finished_.empty()) finished_.swap(woken);  // keeps its capacity
}

// The descriptor stays open until the wire is destroyed: other threads may be using it right now.
void BlockingWire::shut() {
    open_ = false;
    while (Operation* const first = line_.pop_front()) {
        auto& refused = static_cast<BlockingOperation&>(*first);
        refused.in_line_ = false;
        refused.refused_ = true;
        finish(*refused.waiter_);
    }
    ::shutdown(transport_.fd(), SHUT_RDWR);
    wake_leader();
}

void BlockingWire::lose(const Error& error) {
    if (!open_) return;
    shut();
    loss_ = error;
    multiplexer_.fail_all(error);
}

void BlockingWire::wake_leader() noexcept {
    if (wake_fd_ >= 0) (void)::eventfd_write(wake_fd_, 1);
}

void BlockingWire::close(const Error& error) {
    Lock lock(mutex_);
    if (!open_) return;
    shut();
    multiplexer_.fail_all(error);
    wake_finished(lock);
}

bool BlockingWire::is_open() const {
    const Lock lock(mutex_);
    return open_;
}

std::size_t BlockingWire::in_flight() const {
    const Lock lock(mutex_);
    return multiplexer_.in_flight();
}

std::size_t BlockingWire::bytes_in_flight() const {
    const Lock lock(mutex_);
    return multiplexer_.bytes_in_flight();
}

std::size_t BlockingWire::waiting() const {
    const Lock lock(mutex_);
    return line_.size();
}

TimePoint BlockingWire::last_used() const {
    const Lock lock(mutex_);
    return last_progress_;
}

std::optional<Error> BlockingWire::take_loss() {
    const Lock lock(mutex_);
    return std::exchange(loss_, std::nullopt);
}

std::optional<Transport> BlockingWire::detach() {
    const Lock lock(mutex_);
    if (!open_ || led_ || writing_ || !multiplexer_.idle()) return std::nullopt;
    open_ = false;
    return std::move(transport_);
}

}  // namespace redoubt::connection
