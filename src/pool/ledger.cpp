// pool: the ledger; see its header.
#include "pool/ledger.hpp"

#include <algorithm>

namespace redoubt::pool {

Ledger::Grant Ledger::request(Ticket ticket) {
    if (queue_.empty()) {
        if (idle_ != 0) {
            --idle_;
            ++leased_;
            return Grant::idle;
        }
        if (room()) {
            ++opening_;
            return Grant::open;
        }
    }
    if (queue_.size() >= max_waiting_) return Grant::refuse;
    queue_.push_back(ticket);
    return Grant::wait;
}

void Ledger::leave(Ticket ticket) noexcept {
    const auto at = std::find(queue_.begin(), queue_.end(), ticket);
    if (at != queue_.end()) queue_.erase(at);
}

std::optional<Ledger::Turn> Ledger::next() {
    if (queue_.empty()) return std::nullopt;
    Turn turn{queue_.front(), Grant::idle};
    if (idle_ != 0) {
        --idle_;
        ++leased_;
    } else if (room()) {
        ++opening_;
        turn.grant = Grant::open;
    } else {
        return std::nullopt;
    }
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
    if (!room()) return false;
    ++opening_spare_;
    return true;
}
void Ledger::spare_opened() noexcept {
    --opening_spare_;
    ++idle_;
}
void Ledger::spare_failed() noexcept { --opening_spare_; }
void Ledger::idle_closed() noexcept { --idle_; }

void Ledger::shared_opened() noexcept { ++shared_; }
void Ledger::shared_lost() noexcept { --shared_; }

}  // namespace redoubt::pool
