// dispatch: async calls; see the header.
#include <redoubt/dispatch/async_call.hpp>

#include <cstring>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "dispatch/dispatcher.hpp"
#include "dispatch/first_key.hpp"

namespace redoubt::dispatch {

namespace asio = boost::asio;

namespace {

// What CLOSED gave: no permit, only a generation.
pool::Node::Admission admitted(std::uint32_t generation) noexcept {
    pool::Node::Admission admission;
    admission.admitted = true;
    admission.generation = generation;
    return admission;
}

}  // namespace

// Made only when an attempt has failed and another follows.
struct AsyncCall::Pause {
    explicit Pause(const Lane& lane) : timer(lane) {}
    asio::steady_timer timer;
};

AsyncCall::AsyncCall(Dispatcher& dispatcher, const KeyPrefix& prefix, EncodedCommands&& commands,
                     std::optional<Error>&& refused, const CallOptions& options, std::string_view name)
    : dispatcher_(dispatcher),
      commands_(std::move(commands)),
      reader_(*this, prefix, commands_.count(), true),
      name_(name),
      state_(dispatcher.settings(), options, Clock::now()),
      refused_(std::move(refused)) {
    set_replies(commands_.count());
    set_atomic(commands_.atomic());
    set_timing(state_.deadline(), dispatcher.settings().attempt_timeout);
    set_demand(demand_of(commands_.bytes().size(), commands_.count()));
}

AsyncCall::~AsyncCall() = default;

const AsyncCall::Lane& AsyncCall::lane() const noexcept { return dispatcher_.lane(); }

char* AsyncCall::encode(char* out) const noexcept {
    const std::string_view bytes = commands_.bytes();
    std::memcpy(out, bytes.data(), bytes.size());
    return out + bytes.size();
}

std::string_view AsyncCall::ordering_key() const noexcept { return first_key(commands_.bytes()); }

void AsyncCall::start() noexcept {
    if (lane().running_in_this_thread()) return start_on_lane();
    if (dispatcher_.post_to_lane(*this)) return;
    Error error = Error::of(ErrorKind::connection, Certainty::not_sent, Stage::admission, "the service is closed");
    state_.describe(error, name_, dispatcher_.origin(), Clock::now());
    finish(&error, Ending::elsewhere);
}

void AsyncCall::start_on_lane() noexcept {
    bool ended = false;
    ended_ = &ended;
    attempt();
    if (!ended) ended_ = nullptr;
}

void AsyncCall::attempt() {
    if (refused_) return end(&*refused_);
    if (commands_.count() == 0) return end(nullptr);
    const auto [pool, tenant] = dispatcher_.route();
    const TimePoint now = pool.async().now();
    const pool::Node::Admission admission = pool.node().admit(now);
    if (!admission) {
        Error error = pool.node().circuit_open_error(admission);
        return end(&error);
    }
    generation_ = admission.generation;
    state_.begin_attempt();
    phase_ = Phase::submitted;
    if (std::optional<Error> refused = pool.async().submit(*this, tenant, now)) {
        attempt_failed(*refused, FailureSource::operation);
    }
}

void AsyncCall::on_complete() {
    if (reader_.error()) [[unlikely]] {
        const Error error = *reader_.error();
        return attempt_failed(error, FailureSource::operation);
    }
    pool::Pool& pool = dispatcher_.route().pool;
    const Error* const failure = reader_.node_failure() ? &*reader_.node_failure() : nullptr;
    record_attempt(pool.node(), admitted(generation_), failure, FailureSource::operation, false, pool.async().now());
    pool.budget().on_success();
    end(nullptr);
}

void AsyncCall::on_failure(const Error& error, FailureSource source) { attempt_failed(error, source); }

void AsyncCall::attempt_failed(const Error& error, FailureSource source) {
    pool::Pool& pool = dispatcher_.route().pool;
    const TimePoint now = Clock::now();
    record_attempt(pool.node(), admitted(generation_), &error, source, attempt_deadline() < state_.deadline(), now);
    pool.budget().on_failure();
    const bool partly = commands_.count() > 1 && reader_.taken() != 0;
    const std::optional<Duration> length =
        state_.after_failure(dispatcher_.settings(), commands_.retry(), error, partly, pool.budget(), chance(), now);
    if (length && !pool.async().closed()) {
        pause(*length);
    } else {
        end(&error);
    }
}

void AsyncCall::pause(Duration length) {
    reader_.restart();
    phase_ = Phase::pausing;
    if (!pause_) pause_ = std::make_unique<Pause>(lane());
    pause_->timer.expires_after(length);
    dispatcher_.pausing().insert(this);
    // The call does not end while it pauses: whatever ends the pause comes through this handler.
    pause_->timer.async_wait([this](const boost::system::error_code&) {
        dispatcher_.pausing().erase(this);
        if (!cancelled_) return attempt();
        Error error = Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::backoff, "cancelled by the caller");
        end(&error);
    });
}

void AsyncCall::interrupt() { pause_->timer.cancel(); }

void AsyncCall::cancel(bool also_written) {
    switch (phase_) {
        case Phase::idle: break;
        case Phase::pausing:
            cancelled_ = true;
            interrupt();
            break;
        case Phase::submitted: {
            const auto [pool, tenant] = dispatcher_.route();
            if (!also_written && !pool.async().is_unwritten(*this)) break;
            const bool sent = pool.async().cancel(*this, tenant) == Multiplexer::Cancelled::tombstone;
            pool.node().release(admitted(generation_));
            Error error = Error::of(ErrorKind::cancelled, sent ? Certainty::unknown : Certainty::not_sent,
                                    sent ? Stage::sent : Stage::queued, "cancelled by the caller");
            end(&error);
            break;
        }
    }
}

// Only success, which happens while a wire delivers replies, calls a handler of the lane directly. A failure is always
// posted: it comes from initiations, and from loops over many calls that no handler may interrupt.
void AsyncCall::end(const Error* error) {
    phase_ = Phase::idle;
    const bool initiating = ended_ != nullptr;
    if (initiating) *ended_ = true;
    if (error == nullptr) return finish(nullptr, initiating ? Ending::posted : Ending::direct);
    Error described = *error;
    state_.describe(described, name_, dispatcher_.origin(), Clock::now());
    finish(&described, Ending::posted);
}

}  // namespace redoubt::dispatch
