// connection: operations that wait for a wire, first in, first out; linked through themselves, so nothing is allocated.
#pragma once

#include <cstddef>

#include <redoubt/connection/operation.hpp>

namespace redoubt {

/// An operation is in at most one queue, and in none while a wire has it. Not synchronised.
class OperationQueue {
public:
    OperationQueue() = default;
    OperationQueue(const OperationQueue&) = delete;
    OperationQueue& operator=(const OperationQueue&) = delete;

    bool empty() const noexcept { return first_ == nullptr; }
    std::size_t size() const noexcept { return size_; }
    Operation* first() const noexcept { return first_; }
    static Operation* next(const Operation& operation) noexcept { return operation.next_; }

    void push_back(Operation& operation) noexcept {
        operation.previous_ = last_;
        operation.next_ = nullptr;
        (last_ != nullptr ? last_->next_ : first_) = &operation;
        last_ = &operation;
        ++size_;
    }
    /// It must be in this queue.
    void remove(Operation& operation) noexcept {
        (operation.previous_ != nullptr ? operation.previous_->next_ : first_) = operation.next_;
        (operation.next_ != nullptr ? operation.next_->previous_ : last_) = operation.previous_;
        operation.next_ = operation.previous_ = nullptr;
        --size_;
    }
    /// The oldest, out of the queue; nullptr when there is none.
    Operation* pop_front() noexcept {
        Operation* const oldest = first_;
        if (oldest != nullptr) remove(*oldest);
        return oldest;
    }

private:
    Operation* first_ = nullptr;
    Operation* last_ = nullptr;
    std::size_t size_ = 0;
};

}  // namespace redoubt
