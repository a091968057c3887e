// pool: the ledger; see its header.
#include "pool/ledger.hpp"

namespace redoubt::pool {

Ledger::Grant Ledger::request() noexcept {
    if (waiting_ == 0 && may_lease()) return grant();
    if (waiting_ >= max_waiting_) return Grant::refuse;
    ++waiting_;
    return Grant::wait;
}

Ledger::Grant Ledger::request_now() noexcept { return waiting_ == 0 && may_lease() ? grant() : Grant::refuse; }

Ledger::Grant Ledger::grant() noexcept {
    if (idle_ != 0) {
        --idle_;
        ++leased_;
        return Grant::idle;
    }
    ++opening_;
    return Grant::open;
}

std::optional<Ledger::Grant> Ledger::next() noexcept {
    if (waiting_ == 0 || !may_lease()) return std::nullopt;
    --waiting_;
    return grant();
}

void Ledger::reopen() noexcept {
    --leased_;
    ++opening_;
}
void Ledger::opened() noexcept {
    --opening_;
    ++leased_;
}
void Ledger::open_failed() noexcept { --opening_; }
void Ledger::returned() noexcept {
    --leased_;
    ++idle_;
}
void Ledger::lost() noexcept { --leased_; }

bool Ledger::begin_spare() noexcept {
    if (created() + opening() >= capacity_) return false;
    ++opening_spare_;
    return true;
}
bool Ledger::spare_opened() noexcept {
    --opening_spare_;
    if (created() + opening() >= capacity_) return false;
    ++idle_;
    return true;
}
void Ledger::spare_failed() noexcept { --opening_spare_; }
void Ledger::idle_closed() noexcept { --idle_; }

bool Ledger::begin_shared(bool extra) noexcept {
    if (extra) {
        // Who waits for a connection of its own goes first.
        if (waiting_ != 0 || !may_lease() || 2 * (extra_ + 1) > leasable()) return false;
        ++extra_;
    }
    ++opening_shared_;
    return true;
}
void Ledger::shared_opened() noexcept {
    --opening_shared_;
    ++shared_;
}
void Ledger::shared_failed(bool extra) noexcept {
    --opening_shared_;
    extra_ -= extra ? 1 : 0;
}
void Ledger::shared_lost(bool extra) noexcept {
    --shared_;
    extra_ -= extra ? 1 : 0;
}

}  // namespace redoubt::pool
