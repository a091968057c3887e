// connection: the multiplexer; see its header.
#include "connection/multiplexer.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "resp/command_size.hpp"

namespace redoubt {
namespace {

constexpr std::size_t first_read = 256;  // a wire that is seldom used stays small
constexpr std::size_t largest_read = 64 * 1024;
// Past this an empty buffer is given back, so that one large command or reply is not kept for ever.
constexpr std::size_t keep_capacity = 256 * 1024;
// A string that is longer goes to its place as it comes: gathered first, it would take twice the memory, and one long turn
// to copy it, in which all others wait.
constexpr std::size_t long_string = 256 * 1024;

}  // namespace

Multiplexer::Multiplexer(const ReplyLimits& reply_limits, const Limits& limits, std::size_t borrow_from)
    : limits_(limits), borrow_from_(borrow_from), scanner_(reply_limits), read_size_(first_read) {}

bool Multiplexer::submit(Operation& operation, TimePoint now) {
    if (in_flight() >= limits_.max_commands || pending_.size() >= limits_.max_pending_bytes) [[unlikely]]
        return false;
    if (in_flight() >= room_) [[unlikely]]
        grow_ring();

    const std::string_view ready = operation.encoded();
    std::size_t size = ready.size();
    if (ready.data() != nullptr) {
        if (size < borrow_from_ || !borrow(operation, ready)) [[likely]] {
            std::memcpy(pending_.reserve(size), ready.data(), size);
            pending_.commit(size);
        }
    } else {
        char* const out = pending_.reserve(operation.encoded_bound());
        size = static_cast<std::size_t>(operation.encode(out) - out);
        pending_.commit(size);
    }

    operation.begin_attempt(now);
    operation.ticket_ = tail_;
    Entry& entry = at(tail_++);
    entry.operation = &operation;
    entry.size = size;
    entry.end = end_of_stream();
    entry.replies_left = operation.replies();
    earliest_ = std::min(earliest_, operation.attempt_deadline());
    return true;
}

std::string_view Multiplexer::output() {
    if (writing_.empty()) {
        if (borrowed_) [[unlikely]] {
            borrowed_->handed = true;
            handed_ = pending_at_;
            maybe_taken_ = handed_;
            return borrowed_->left.substr(0, borrowed_->open);
        }
        writing_.swap(pending_);
        pending_at_ += writing_.size();
        handed_ = pending_at_;
    }
    maybe_taken_ = handed_;
    return writing_.view();
}

void Multiplexer::written(std::size_t bytes) noexcept {
    taken_ += bytes;
    maybe_taken_ = taken_;
    if (borrowed_ && borrowed_->handed) [[unlikely]] {
        borrowed_->left.remove_prefix(bytes);
        borrowed_->open -= bytes;
        if (borrowed_->left.empty()) borrowed_.reset();
        return;
    }
    writing_.consume(bytes);
    if (writing_.empty() && writing_.capacity() > keep_capacity) writing_.release();
}

// It stands between the two buffers, so nothing may wait before it.
bool Multiplexer::borrow(const Operation& operation, std::string_view bytes) {
    if (borrowed_ || !pending_.empty()) return false;
    borrowed_ = std::make_unique<Borrowed>(Borrowed{&operation, bytes, false, 0, 0});
    open_window(operation.replies());
    pending_at_ += bytes.size();
    return true;
}

void Multiplexer::open_window(std::uint32_t replies_left) noexcept {
    Borrowed& lent = *borrowed_;
    if (limits_.window == 0) {
        lent.open = lent.left.size();
        return;
    }
    const std::size_t may_go = lent.from->replies() - replies_left + limits_.window;
    for (; lent.commands < may_go && lent.open < lent.left.size(); ++lent.commands) {
        lent.open += resp::first_command_size(lent.left.substr(lent.open));
    }
}

// The operation ends, and its bytes with it, though the socket has not taken all that it was handed.
void Multiplexer::keep_borrowed(const Operation& operation) {
    if (!borrowed_ || borrowed_->from != &operation) [[likely]]
        return;
    const std::string_view left = borrowed_->left;
    std::memcpy(writing_.reserve(left.size()), left.data(), left.size());
    writing_.commit(left.size());
    borrowed_.reset();
}

std::span<char> Multiplexer::read_space() {
    // A promised length is believed step by step: the buffer doubles as the bytes really come.
    const std::size_t missing = wanted_ > input_.size() ? wanted_ - input_.size() : 0;
    char* at = input_.reserve(std::max(read_size_, std::min(missing, std::max(input_.size(), largest_read))));
    return {at, input_.free_at_end()};
}

void Multiplexer::commit_read(std::size_t bytes) noexcept {
    // A read that filled what was asked for says that the wire is busy: read more at once.
    if (bytes >= read_size_ && read_size_ < largest_read) read_size_ *= 2;
    input_.commit(bytes);
    stalled_ = false;
}

// Bytes are lent out between two calls of this only, so most turns need not look for them.
Multiplexer::Progress Multiplexer::process(std::size_t max_replies) {
    if (in_long_string_ && !take_long_string()) return fault_.empty() ? Progress::drained : Progress::fault;
    return borrowed_ ? deliver<true>(max_replies) : deliver<false>(max_replies);
}

// The frame that begins with `bytes` is a long string, and it, or nobody, wants its bytes as they come.
bool Multiplexer::begin_long_string(std::string_view bytes) {
    const resp::ReplyScanner::LongString string = scanner_.long_string(bytes);
    if (string.head == 0 || head_ == tail_ || at(head_).end - at(head_).size >= handed_) return false;
    Operation* const operation = at(head_).operation;
    long_string_ = operation == nullptr ? nullptr : operation->begin_long_string(string.size);
    if (operation != nullptr && long_string_ == nullptr) return false;
    long_size_ = string.size;
    wanted_ = string.size + 2;
    in_long_string_ = true;
    scanner_.leave_frame();
    input_.consume(string.head);
    return true;
}

// False: it has not come to its end, or what is there is no end.
bool Multiplexer::take_long_string() {
    constexpr std::string_view end = "\r\n";
    if (wanted_ > end.size()) {
        const std::string_view part = input_.view().substr(0, wanted_ - end.size());
        if (long_string_ != nullptr) long_string_->append(part);
        wanted_ -= part.size();
        input_.consume(part.size());
    }
    stalled_ = true;
    if (wanted_ > end.size() || input_.size() < end.size()) return false;
    if (!input_.view().starts_with(end)) {
        fault_ = "a string does not end where its length says";
        return false;
    }
    input_.consume(end.size());
    stalled_ = false;
    wanted_ = 0;
    in_long_string_ = false;
    Entry& entry = at(head_);
    Operation* const operation = entry.operation;
    if (operation != nullptr) operation->end_long_string(long_size_);
    if (--entry.replies_left != 0) {
        if (borrowed_ && borrowed_->from == operation) open_window(entry.replies_left);
        return true;
    }
    ++head_;
    if (operation != nullptr) {
        keep_borrowed(*operation);
        operation->on_complete();
    }
    return true;
}

template <bool lent>
Multiplexer::Progress Multiplexer::deliver(std::size_t max_replies) {
    while (!stalled_ && !input_.empty()) {
        if (max_replies == 0) return Progress::more;
        const std::string_view bytes = input_.view();
        switch (scanner_.scan(bytes)) {
            case resp::ReplyScanner::Status::need_more:
                wanted_ = scanner_.needed();
                if (wanted_ > long_string && begin_long_string(bytes)) [[unlikely]] {
                    (void)take_long_string();  // its end is not here yet
                    return Progress::drained;
                }
                stalled_ = true;
                return Progress::drained;
            case resp::ReplyScanner::Status::error: return fail_scan();
            case resp::ReplyScanner::Status::complete: break;
        }
        const std::string_view frame = bytes.substr(0, scanner_.size());
        wanted_ = 0;
        if (scanner_.is_push()) [[unlikely]] {  // nobody subscribes on a shared wire, and a push answers no command
            input_.consume(frame.size());
            continue;
        }
        // Reading a reply neither submits nor cancels, so the entry stays where it is until the completion.
        Entry* const entry = head_ == tail_ ? nullptr : &at(head_);
        if (entry == nullptr || entry->end - entry->size >= handed_) [[unlikely]] {
            fault_ = "the server sent a reply that no command asked for";
            return Progress::fault;
        }
        --max_replies;
        Operation* const operation = entry->operation;
        const bool isolated = operation == nullptr || operation->on_reply(frame);
        // The frame's bytes go before the completion, which may submit, and so may anything it resumes.
        input_.consume(frame.size());
        if (--entry->replies_left != 0) {
            if constexpr (lent) {
                if (borrowed_ && borrowed_->from == operation) open_window(entry->replies_left);
            }
        } else {
            ++head_;
            if (operation != nullptr) {
                if constexpr (lent) keep_borrowed(*operation);  // a server may answer before it has read all
                operation->on_complete();
            }
        }
        if (!isolated) [[unlikely]] {
            fault_ = "a reply named a key that is not the project's own";
            return Progress::fault;
        }
    }
    if (input_.empty()) {
        stalled_ = true;
        if (head_ == tail_) earliest_ = TimePoint::max();
        if (input_.capacity() > keep_capacity) input_.release();
    }
    return Progress::drained;
}

// A reply past the limits is its caller's own doing and his alone to hear of, though the wire ends with it.
Multiplexer::Progress Multiplexer::fail_scan() {
    fault_ = scanner_.error();
    if (!scanner_.over_limit() || head_ == tail_) return Progress::fault;
    over_limit_ = true;
    Operation* const operation = std::exchange(at(head_).operation, nullptr);
    if (operation != nullptr) {
        // Of several commands those behind this one may not even have been sent.
        const Certainty certainty = at(head_).replies_left == 1 ? Certainty::applied : Certainty::unknown;
        keep_borrowed(*operation);
        operation->on_failure(Error::of(ErrorKind::reply_type, certainty, Stage::reply, fault_),
                              FailureSource::operation);
    }
    return Progress::fault;
}

bool Multiplexer::is_unwritten(const Operation& operation) const noexcept {
    const Entry& entry = at(operation.ticket_);
    return entry.end - entry.size >= handed_;
}

Multiplexer::Cancelled Multiplexer::cancel(Operation& operation) {
    const std::uint64_t ticket = operation.ticket_;
    if (is_unwritten(operation)) {
        remove_unwritten(ticket);
        return Cancelled::unwritten;
    }
    keep_borrowed(operation);
    at(ticket).operation = nullptr;
    if (ticket == head_) long_string_ = nullptr;
    return Cancelled::tombstone;
}

// Cuts its bytes out of the pending output and closes the gap in the queue.
void Multiplexer::remove_unwritten(std::uint64_t ticket) {
    const Entry entry = at(ticket);
    if (borrowed_ && borrowed_->from == entry.operation) {
        borrowed_.reset();
        pending_at_ -= entry.size;
    } else {
        pending_.cut(static_cast<std::size_t>(entry.end - entry.size - pending_at_), entry.size);
    }
    for (std::uint64_t next = ticket + 1; next != tail_; ++next) {
        Entry moved = at(next);
        moved.end -= entry.size;
        if (moved.operation != nullptr) moved.operation->ticket_ = next - 1;
        at(next - 1) = moved;
    }
    --tail_;
}

std::size_t Multiplexer::expire(TimePoint now) {
    if (now < earliest_) return 0;
    // Collected first: a callback may submit, cancel, or complete others.
    std::vector<Operation*> expired;
    earliest_ = TimePoint::max();
    for (std::uint64_t ticket = head_; ticket != tail_; ++ticket) {
        Operation* const operation = at(ticket).operation;
        if (operation == nullptr) continue;
        if (operation->attempt_deadline() <= now) {
            expired.push_back(operation);
        } else {
            earliest_ = std::min(earliest_, operation->attempt_deadline());
        }
    }
    // Detached from the queue before the first callback, so that none of them is called twice.
    std::vector<Cancelled> how;
    how.reserve(expired.size());
    // From the back, so that closing a gap does not move those that are still to go.
    for (std::size_t left = expired.size(); left-- != 0;) how.push_back(cancel(*expired[left]));
    for (std::size_t i = 0; i != expired.size(); ++i) {
        const bool sent = how[expired.size() - 1 - i] == Cancelled::tombstone;
        expired[i]->on_failure(
            Error::of(ErrorKind::timeout, sent ? Certainty::unknown : Certainty::not_sent,
                      sent ? Stage::sent : Stage::queued, sent ? "no answer in time" : "not written in time"),
            FailureSource::operation);
    }
    return expired.size();
}

// A command of which the socket did not take the last byte was never whole at the server. Of several that were
// sent as one piece the first may have been, unless they are a transaction.
Certainty Multiplexer::certainty_of(const Entry& entry) const noexcept {
    const bool last_byte_decides = entry.operation->replies() == 1 || entry.operation->atomic_;
    const std::uint64_t must_exceed = last_byte_decides ? entry.end - 1 : entry.end - entry.size;
    return maybe_taken_ > must_exceed ? Certainty::unknown : Certainty::not_sent;
}

void Multiplexer::fail_all(const Error& error) {
    std::vector<std::pair<Operation*, Certainty>> failed;
    failed.reserve(in_flight());
    for (; head_ != tail_; ++head_) {
        const Entry& entry = at(head_);
        if (entry.operation != nullptr) failed.emplace_back(entry.operation, certainty_of(entry));
    }
    earliest_ = TimePoint::max();
    borrowed_.reset();
    long_string_ = nullptr;
    for (auto [operation, certainty] : failed) {
        Error its_own = error;
        // Another's reply was past the limits: to these the wire was lost.
        if (over_limit_) its_own.kind = ErrorKind::connection;
        its_own.certainty = certainty;
        its_own.stage = certainty == Certainty::not_sent ? Stage::queued : Stage::sent;
        operation->on_failure(its_own, FailureSource::wire);
    }
}

void Multiplexer::forget_all(std::vector<Operation*>& into) {
    for (; head_ != tail_; ++head_) {
        if (at(head_).operation != nullptr) into.push_back(at(head_).operation);
    }
    earliest_ = TimePoint::max();
    borrowed_.reset();
    long_string_ = nullptr;
}

void Multiplexer::release_memory() noexcept {
    if (!idle()) return;
    writing_.release();
    pending_.release();
    input_.release();
    read_size_ = first_read;
    std::vector<Entry>().swap(ring_);
    mask_ = 0;
    room_ = 0;
}

Operation* Multiplexer::oldest() const noexcept {
    for (std::uint64_t ticket = head_; ticket != tail_; ++ticket) {
        if (at(ticket).operation != nullptr) return at(ticket).operation;
    }
    return nullptr;
}

void Multiplexer::grow_ring() {
    std::vector<Entry> bigger(ring_.empty() ? 8 : ring_.size() * 2);
    for (std::uint64_t ticket = head_; ticket != tail_; ++ticket) bigger[ticket & (bigger.size() - 1)] = at(ticket);
    ring_.swap(bigger);
    mask_ = ring_.size() - 1;
    room_ = ring_.size();
}

}  // namespace redoubt
