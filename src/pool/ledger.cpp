// pool: the ledger; see its header.
#include "pool/ledger.hpp"

#include <algorithm>

namespace redoubt::pool {

Ledger::Grant Ledger::request(Ticket ticket) {
    if (queue_.empty() && may_lease()) return grant();
    if (queue_.size() >= max_waiting_) return Grant::refuse;
    queue_.push_back(ticket);
    return Grant::wait;
}

Ledger::Grant Ledger::grant() noexcept {
    if (idle_ != 0) {
        --idle_;
        ++leased_;
        return Grant::idle;
    }
    ++opening_;
    return Grant::open;
}

void Ledger::leave(Ticket ticket) noexcept {
    const auto at = std::find(queue_.begin(), queue_.end(), ticket);
    if (at != queue_.end()) queue_.erase(at);
}

std::optional<Ledger::Turn> Ledger::next() {
    if (queue_.empty() || !may_lease()) return std::nullopt;
    const Turn turn{queue_.front(), grant()};
    queue_.pop_front();
    return turn;
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

void Ledger::begin_shared() noexcept { ++opening_shared_; }
void Ledger::shared_opened() noexcept {
    --opening_shared_;
    ++shared_;
}
void Ledger::shared_failed() noexcept { --opening_shared_; }
void Ledger::shared_lost() noexcept { --shared_; }

}  // namespace redoubt::pool
