// dispatch: async calls; see the header.
#include <redoubt/dispatch/async_call.hpp>

#include <algorithm>
#include <utility>

#include "dispatch/acknowledgement.hpp"
#include "dispatch/blocking_call.hpp"
#include "dispatch/call_words.hpp"
#include "dispatch/command_slot.hpp"
#include "dispatch/dispatcher.hpp"
#include "dispatch/first_key.hpp"
#include "dispatch/request.hpp"
#include "dispatch/scatter.hpp"
#include "pool/hold.hpp"

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

// On its way to the lane, which may be destroyed before it arrives.
class AsyncCall::Start {
public:
    explicit Start(AsyncCall& call) noexcept : call_(&call) {}
    Start(Start&& other) noexcept : call_(std::exchange(other.call_, nullptr)) {}
    Start& operator=(Start&&) = delete;
    ~Start() {
        if (call_ != nullptr) call_->abandon();
    }
    void operator()() noexcept { std::exchange(call_, nullptr)->start_on_lane(); }
    void keep() noexcept { call_ = nullptr; }

private:
    AsyncCall* call_;
};

// The call with ASKING before it or WAIT behind it, as one operation: nothing may come between them.
class AsyncCall::Escort final : public Operation {
public:
    Escort(AsyncCall& call, bool asking) noexcept : call_(call), acks_(call.acknowledgement()), asking_(asking) {
        set_replies(call.commands_.count() + (asking ? 1 : 0) + (acks_ ? 1 : 0));
        set_atomic(call.commands_.atomic() && !acks_);  // what is executed is whole before WAIT is
        set_timing(call.call_deadline(), call.attempt_timeout());
        set_demand(call.demand());
    }
    AsyncCall& call() noexcept { return call_; }
    std::size_t encoded_bound() const noexcept override {
        return asking_command.size() + call_.commands_.bytes().size() + acks_.encoded_bound();
    }
    char* encode(char* out) const noexcept override {
        if (asking_) out += asking_command.copy(out, asking_command.size());
        const std::string_view bytes = call_.commands_.bytes();
        return acks_.encode(out + bytes.copy(out, bytes.size()));
    }
    bool on_reply(std::string_view frame) override {
        // If ASKING is refused, the command says so, too.
        if (is_before()) return asked_ = true;
        if (!is_behind()) return call_.on_reply(frame);
        if (call_.reader_.error() == nullptr && (call_.rare().shortfall = acks_.shortfall(frame))) {
            call_.reader_.expect_news();
        }
        return true;
    }
    std::string* begin_long_string(std::size_t size) override {
        return is_before() || is_behind() ? nullptr : call_.begin_long_string(size);
    }
    void end_long_string(std::size_t size) override { call_.end_long_string(size); }
    // Each of these may destroy this.
    void on_complete() override { call_.on_complete(); }
    void on_failure(const Error& error, FailureSource source) override {
        if (!is_behind()) return call_.on_failure(error, source);
        const Error told = executed_unconfirmed(error);
        call_.on_failure(told, source);
    }
    std::string_view ordering_key() const noexcept override { return call_.ordering_key(); }
    HoldUse hold() noexcept override { return call_.hold(); }

private:
    bool is_before() const noexcept { return asking_ && !asked_; }
    bool is_behind() const noexcept { return acks_ && call_.reader_.is_full(); }

    AsyncCall& call_;
    const Acknowledgement acks_;
    const bool asking_;
    bool asked_ = false;
};

AsyncCall::Rare::Rare() = default;
AsyncCall::Rare::~Rare() = default;

AsyncCall& AsyncCall::of(Operation& operation) noexcept {
    if (auto* const escort = dynamic_cast<Escort*>(&operation)) return escort->call();
    return static_cast<AsyncCall&>(operation);  // nothing else is submitted to a pool
}

/// What the pool has of it.
inline Operation& AsyncCall::submitted() noexcept {
    if (rare_ && rare_->escort) [[unlikely]]
        return *rare_->escort;
    return *this;
}

AsyncCall::Rare& AsyncCall::rare() {
    if (!rare_) rare_ = std::make_unique<Rare>();
    return *rare_;
}

void AsyncCall::expect_nothing() { (void)rare(); }

void AsyncCall::refuse(Error&& refusal) {
    if (!rare().refusal) rare().refusal = std::move(refusal);
}

void AsyncCall::copy_commands(const AsyncCall& other) {
    commands_ = other.commands_;
    if (!other.reader_.trusts()) reader_.distrust();
    if (!other.rare_) return;
    rare().refusal = other.rare_->refusal;
    rare().own_connection = other.rare_->own_connection;
}

const AsyncCall::Lane& AsyncCall::lane() const noexcept { return dispatcher_.lane(); }

// The caller's time runs from here, wherever the lane is.
inline void AsyncCall::begin(TimePoint now) noexcept {
    const CallSettings& settings = dispatcher_.settings();
    state_.begin(settings.operation_timeout, now);
    reader_.expect(commands_.count());
    set_encoded(commands_.bytes());
    set_replies(commands_.count());
    set_atomic(commands_.atomic());
    set_timing(state_.deadline(), settings.attempt_timeout);
    set_demand(demand_of(commands_.bytes().size(), commands_.count()));
    if (commands_.slot() == many_slots) [[unlikely]]
        rare().to_scatter = !commands_.atomic();
    if (commands_.may_wait()) [[unlikely]] {
        if (commands_.block_time() != Duration::zero()) begin_blocking(now);
    }
    if (state_.options() != nullptr) [[unlikely]]
        begin_acknowledged(now);
}

Acknowledgement AsyncCall::acknowledgement() const noexcept {
    return Acknowledgement(state_.replica_acks(), commands_.retry());
}

[[gnu::noinline]] void AsyncCall::begin_acknowledged(TimePoint now) noexcept {
    const Acknowledgement acks = acknowledgement();
    if (!acks || commands_.count() == 0) return;
    if (std::optional<Error> refused = acks.refusal()) return refuse(std::move(*refused));
    const CallSettings& settings = dispatcher_.settings();
    const Duration block_time = commands_.block_time();
    state_.begin(call_time(settings, block_time, acks.block_time()), now);
    set_timing(state_.deadline(), attempt_time(settings, block_time) + acks.block_time());
    // Of commands that go to several nodes, each part asks for itself.
    if (rare_ && rare_->to_scatter) return;
    set_demand(Demand::exclusive);
    set_escort(false);
}

void AsyncCall::set_escort(bool asking) {
    if (asking || acknowledgement()) {
        rare().escort = std::make_unique<Escort>(*this, asking);
    } else if (rare_) {
        rare_->escort.reset();
    }
}

void AsyncCall::begin_blocking(TimePoint now) noexcept {
    const Duration block_time = commands_.block_time();
    state_.begin(call_time(dispatcher_.settings(), block_time), now);
    set_timing(state_.deadline(), attempt_time(dispatcher_.settings(), block_time));
    set_demand(Demand::exclusive);
    if (block_time == CommandView::forever && !state_.has_own_deadline() && !cancellable_) refuse(endless_wait_error());
}

// Only success, which happens while a wire delivers replies, calls a handler of the lane directly. A failure is always
// posted: it comes from initiations, and from loops over many calls that no handler may interrupt.
inline void AsyncCall::end(const Error* error) {
    phase_ = Phase::idle;
    const bool initiating = ended_ != nullptr;
    if (initiating) *ended_ = true;
    if (rare_) [[unlikely]]
        end_report(error);
    if (error == nullptr) return receiver_->finish(nullptr, initiating ? Ending::posted : Ending::direct);
    Error described = *error;
    state_.describe(described, name_, dispatcher_.origin(), Clock::now());
    receiver_->finish(&described, Ending::posted);
}

[[gnu::noinline]] void AsyncCall::begin_report(Telemetry& telemetry) {
    // An empty batch is no call.
    if (commands_.count() == 0 && !(rare_ && rare_->refusal)) return;
    const bool unnamed = name_.empty() && rare_ && rare_->refusal;  // words that were refused
    CallInfo call = dispatcher_.info_of(unnamed ? rare_->refusal->operation : name_, state_.context());
    describe_commands(call, commands_.bytes(), commands_.count(), commands_.atomic());
    const EncodedText text(commands_.bytes());
    if (commands_.count() != 0) call.text = &text;
    rare().report.begin(telemetry, call);
}

void AsyncCall::end_report(const Error* error) noexcept {
    if (!rare_->report.is_open()) return;
    std::string_view endpoint;
    // Whoever answered is where the pool is now; what failed may have been at another node before.
    if (node_ != nullptr) endpoint = error == nullptr ? pool_->async().node().endpoint() : node_->endpoint();
    if (error == nullptr) {
        if (std::optional<Error> inner = inner_error()) {
            state_.describe(*inner, inner->operation, dispatcher_.origin(), Clock::now());
            rare_->report.note(*inner);
        }
        return rare_->report.end(nullptr, state_.attempts(), endpoint);
    }
    Error described = *error;
    state_.describe(described, name_, dispatcher_.origin(), Clock::now());
    rare_->report.end(&described, state_.attempts(), endpoint);
}

void AsyncCall::abandon() noexcept {
    if (rare_) {
        const bool sent = phase_ == Phase::submitted;
        const Error error = Error::of(ErrorKind::cancelled, sent ? Certainty::unknown : Certainty::not_sent,
                                      sent ? Stage::sent : Stage::admission, "its loop was destroyed");
        end_report(&error);
    }
    destroy();
}

Error AsyncCall::of_command(std::uint32_t index, const Error& error) {
    Error described = error;
    const std::string_view name = command_name(commands_.bytes(), index, rare().names);
    state_.describe(described, name.empty() ? name_ : name, dispatcher_.origin(), Clock::now());
    rare().report.note(described);
    return described;
}

// Its reply was large the last time.
void AsyncCall::ask_for_room(pool::Node& node) noexcept {
    if (demand() == Demand::shared && node.large_keys().contains(ordering_key())) set_demand(Demand::bulk);
    // What is foreseen is settled when it ends, whatever it comes to.
    if (tenant_->is_rated() && pool::Tenant::is_foreseen(*this)) reader_.expect_news();
}

std::string_view AsyncCall::ordering_key() const noexcept { return first_key(commands_.bytes()); }

void AsyncCall::start() noexcept {
    if (Telemetry* const watcher = dispatcher_.watcher()) [[unlikely]]
        begin_report(*watcher);
    if (lane().running_in_this_thread()) [[likely]]
        return first_attempt();
    start_from_elsewhere();
}

// Apart, so that the everyday start saves no registers for it.
[[gnu::noinline]] void AsyncCall::start_from_elsewhere() noexcept {
    begin(Clock::now());
    Start start(*this);
    if (dispatcher_.post_to_lane(std::move(start))) return;
    start.keep();
    Error error = dispatcher_.gone_error();
    state_.describe(error, name_, dispatcher_.origin(), Clock::now());
    if (rare_) end_report(&error);
    receiver_->finish(&error, dispatcher_.is_forked() ? Ending::alone : Ending::elsewhere);
}

void AsyncCall::start_on_lane() noexcept {
    if (!cancelled_) return first_attempt();
    const Error error = Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::admission,
                                  "cancelled by the caller before it began");
    end(&error);
}

// An attempt that no node was there for.
void AsyncCall::fail_without_reader(TimePoint now) {
    state_.begin_attempt();
    Error none = dispatcher_.router().no_reader(commands_.slot());
    const std::optional<Duration> length =
        state_.after_failure(dispatcher_.settings(), none, {commands_.retry(), false, chance(), now}, pool_->budget());
    if (!length || pool_->async().closed()) return end(&none);
    pool_->count_retry();
    none.attempts = state_.attempts();
    rare_->report.retried(none, *length);
    pause(*length);
}

inline void AsyncCall::route() noexcept {
    if (state_.read_from()) [[unlikely]]
        return route_to_reader();
    topology::Route way = dispatcher_.only();
    if (way.pool == nullptr) {
        const std::uint16_t slot = commands_.slot();
        way =
            dispatcher_.has_own_user() ? dispatcher_.route(commands_.scans(), slot) : dispatcher_.router().route(slot);
    }
    pool_ = way.pool;
    tenant_ = way.tenant;
}

[[gnu::always_inline]] inline void AsyncCall::attempt(TimePoint now) {
    Operation* submitted = this;
    if (rare_) [[unlikely]] {
        if (rare_->refusal) return end(&*rare_->refusal);
        if (commands_.count() == 0) return end(nullptr);
        if (rare_->to_scatter) return scatter();
        if (rare_->no_reader) return fail_without_reader(now);
        if (rare_->own_connection) {
            if (const std::optional<Error> refused = prepare_own()) return end(&*refused);
        }
        if (rare_->escort) submitted = rare_->escort.get();
    }
    pool::Pool& pool = *pool_;
    pool::Node& node = pool.async().node();
    node_ = &node;
    const pool::Node::Admission admission = node.admit(now);
    if (!admission) {
        if (finds_another_reader()) return attempt_again(now);
        Error error = node.circuit_open_error(admission);
        return end(&error);
    }
    generation_ = admission.generation;
    state_.begin_attempt();
    phase_ = Phase::submitted;
    if (!node.large_keys().empty()) [[unlikely]]
        ask_for_room(node);
    if (std::optional<Error> refused = pool.async().submit(*submitted, *tenant_, now)) {
        attempt_failed(*refused, FailureSource::operation);
    }
}

// Its connection is kept from one operation to another, and this is the second.
bool AsyncCall::goes_to_held(HoldUse& use) noexcept {
    if (!rare_ || !rare_->own_connection) return false;
    use = hold();
    return use.hold != nullptr && !use.begins;
}

std::optional<Error> AsyncCall::prepare_own() {
    set_demand(Demand::exclusive);
    HoldUse use;
    if (!goes_to_held(use)) {
        if (use.hold != nullptr) use.hold->set_way({pool_, tenant_, commands_.slot()});
        return std::nullopt;
    }
    const pool::Hold::Way& way = use.hold->way();
    if (way.pool == nullptr) return std::nullopt;
    pool_ = way.pool;
    tenant_ = way.tenant;
    const std::uint16_t slot = commands_.slot();
    if (slot == no_slot || way.slot == no_slot || slot == way.slot) return std::nullopt;
    return watched_elsewhere_error();
}

void AsyncCall::scatter() {
    phase_ = Phase::scattered;
    state_.begin_attempt();
    rare_->scatter = std::make_unique<Scatter>(*this, static_cast<ReplySink&>(*this));
    rare_->scatter->send();
}

// Never into the handler directly: a part may have ended inside a loop over many calls.
void AsyncCall::end_scattered(JointSink* joint, const std::optional<Error>& unconfirmed) {
    phase_ = Phase::idle;
    if (ended_ != nullptr) *ended_ = true;
    std::optional<Error> error = joint != nullptr ? joint->finish(*this, reader_.prefix(), name_) : std::nullopt;
    if (!error) error = unconfirmed;
    if (error) state_.describe(*error, name_, dispatcher_.origin(), Clock::now());
    end_report(error ? &*error : nullptr);
    receiver_->finish(error ? &*error : nullptr, Ending::posted);
}

void AsyncCall::attempt_again(TimePoint now) { attempt(now); }

// To where a node of a Cluster says that it belongs. False: the attempt has failed.
bool AsyncCall::follow(Error& error, TimePoint now) {
    HoldUse use;
    if (goes_to_held(use)) return false;
    const auto elsewhere = dispatcher_.detour(state_, error, pool_->async().node(), commands_.scans(), now);
    if (!elsewhere) return false;
    if (elsewhere->asking && rare_ && rare_->own_connection) {
        // ASKING lasts for one command, and what is watched is for the next one.
        error = Error::of(ErrorKind::connection, Certainty::rejected, Stage::reply,
                          "the slot of the watched keys is on its way to another node");
        return false;
    }
    pool_ = elsewhere->route.pool;
    tenant_ = elsewhere->route.tenant;
    reader_.restart();
    set_escort(elsewhere->asking);
    attempt_again(now);
    return true;
}

void AsyncCall::first_attempt() noexcept {
    bool ended = false;
    ended_ = &ended;
    route();
    const TimePoint now = pool_->async().now();
    if (!state_.has_begun()) begin(now);
    attempt(now);
    if (!ended) ended_ = nullptr;
}

void AsyncCall::on_complete() {
    if (reader_.has_news() || has_moved() || !node_->count_success(generation_)) [[unlikely]]
        return complete_with_news();
    pool_->budget().on_success();
    end(nullptr);
}

void AsyncCall::complete_with_news() {
    if (reader_.error() != nullptr) {
        const Error error = *reader_.error();
        return attempt_failed(error, FailureSource::operation);
    }
    HoldUse use;
    if (commands_.atomic() && dispatcher_.is_spread() && reader_.refused_whole() != nullptr && !goes_to_held(use)) {
        const Error error = *reader_.refused_whole();
        return attempt_failed(error, FailureSource::operation);
    }
    if (reader_.was_large()) pool_->async().node().large_keys().remember(ordering_key());
    tenant_->charge(submitted(), reader_.further_commands());
    const TimePoint now = pool_->async().now();
    record(reader_.node_failure(), FailureSource::operation, now);
    pool_->budget().on_success();
    end(rare_ && rare_->shortfall ? &*rare_->shortfall : nullptr);
}

// Since the pause before it ended, if there was one.
Duration AsyncCall::attempt_length(TimePoint now) noexcept {
    if (commands_.block_time() != Duration::zero() || acknowledgement()) return Duration::zero();
    TimePoint began = rare_ && rare_->pause ? rare_->pause->expiry() : state_.start();
    if (tenant_->is_rated()) {
        // What it waited for its project's rate says nothing of the node; where that cannot be told apart, none of it does.
        const TimePoint until = submitted().attempt_deadline();
        if (until >= call_deadline()) return Duration::zero();
        began = std::max(began, until - attempt_timeout());
    }
    return std::max(now - began, Duration::zero());
}

// It was admitted at one node, and waited until its pool went to another.
inline bool AsyncCall::has_moved() const noexcept { return node_ != &pool_->async().node(); }

void AsyncCall::record(const Error* error, FailureSource source, TimePoint now) {
    if (has_moved()) return node_->release(admitted(generation_));
    const bool attempt_was_shorter = error != nullptr && submitted().attempt_deadline() < state_.deadline();
    record_attempt(*node_, admitted(generation_), error, source, attempt_was_shorter, now, attempt_length(now));
}

void AsyncCall::on_failure(const Error& error, FailureSource source) { attempt_failed(error, source); }

void AsyncCall::attempt_failed(const Error& error, FailureSource source) {
    pool::Pool& pool = *pool_;
    const TimePoint now = Clock::now();
    tenant_->forget_foreseen(submitted());
    // What a script answers says nothing of the node.
    const bool of_script = error.stage == Stage::reply && !reader_.trusts();
    record(of_script ? nullptr : &error, source, now);
    Error told = error;
    if (dispatcher_.is_spread() && follow(told, now)) return;
    charge(pool, told);
    const bool partly = commands_.count() > 1 && reader_.taken() != 0 && reader_.refused_whole() == nullptr;
    const bool one_way = !dispatcher_.is_spread() && !reads_elsewhere();
    const TimePoint refused_until = one_way ? pool.async().node().refused_until() : TimePoint::min();
    const std::optional<Duration> length = state_.after_failure(
        dispatcher_.settings(), told, {commands_.retry(), partly, chance(), now, refused_until}, pool.budget());
    if (length && !pool.async().closed()) {
        pool.count_retry();
        if (rare_) {
            told.attempts = state_.attempts();
            rare_->report.retried(told, *length);
        }
        pause(*length);
    } else {
        end(&told);
    }
}

void AsyncCall::pause(Duration length) {
    reader_.restart();
    phase_ = Phase::pausing;
    set_escort(false);
    asio::steady_timer& timer = rare().pause ? *rare().pause : rare().pause.emplace(lane());
    timer.expires_after(length);
    dispatcher_.pausing().insert(this);
    pool_->async().begin_pause(timer);
    // The call does not end while it pauses: whatever ends the pause comes through this handler.
    timer.async_wait([this](const boost::system::error_code&) {
        dispatcher_.pausing().erase(this);
        pool_->async().end_pause(*rare().pause);
        if (!cancelled_) {
            route();
            return attempt_again(Clock::now());
        }
        Error error = Error::of(ErrorKind::cancelled, Certainty::not_sent, Stage::backoff, "cancelled by the caller");
        end(&error);
    });
}

void AsyncCall::interrupt() { rare().pause->cancel(); }

void AsyncCall::cancel(bool also_written) {
    switch (phase_) {
        case Phase::idle: cancelled_ = true; break;  // it is on its way to the lane
        case Phase::scattered: rare_->scatter->cancel(also_written); break;
        case Phase::pausing:
            cancelled_ = true;
            interrupt();
            break;
        case Phase::submitted: {
            if (!also_written && !pool_->async().is_unwritten(submitted())) break;
            const bool sent = pool_->async().cancel(submitted(), *tenant_) == Multiplexer::Cancelled::tombstone;
            node_->release(admitted(generation_));
            Error error = Error::of(ErrorKind::cancelled, sent ? Certainty::unknown : Certainty::not_sent,
                                    sent ? Stage::sent : Stage::queued, "cancelled by the caller");
            end(&error);
            break;
        }
    }
}

}  // namespace redoubt::dispatch
