// connection: a growing run of bytes, appended at the end and consumed from the front.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>

namespace redoubt::connection {

/// Unlike std::string it neither initialises nor checks what is appended within a reservation, which is what
/// makes encoding straight into it cheap.
class ByteBuffer {
public:
    std::string_view view() const noexcept { return {data_.get() + begin_, end_ - begin_}; }
    std::size_t size() const noexcept { return end_ - begin_; }
    bool empty() const noexcept { return begin_ == end_; }
    std::size_t capacity() const noexcept { return capacity_; }
    std::size_t free_at_end() const noexcept { return capacity_ - end_; }

    /// Room for `bytes` more at the end; moves what is there to the front, and grows, as needed.
    char* reserve(std::size_t bytes) {
        if (capacity_ - end_ < bytes) make_room(bytes);
        return data_.get() + end_;
    }
    /// What was written into a reservation, up to `end`.
    void commit_to(const char* end) noexcept { end_ = static_cast<std::size_t>(end - data_.get()); }
    void commit(std::size_t bytes) noexcept { end_ += bytes; }

    void consume(std::size_t bytes) noexcept {
        begin_ += bytes;
        if (begin_ == end_) begin_ = end_ = 0;
    }
    /// Removes `bytes` at `offset` from the front of the view.
    void cut(std::size_t offset, std::size_t bytes) noexcept {
        char* at = data_.get() + begin_ + offset;
        std::memmove(at, at + bytes, size() - offset - bytes);
        end_ -= bytes;
    }
    void clear() noexcept { begin_ = end_ = 0; }
    void release() noexcept {
        data_.reset();
        begin_ = end_ = capacity_ = 0;
    }
    void swap(ByteBuffer& other) noexcept {
        std::swap(data_, other.data_);
        std::swap(begin_, other.begin_);
        std::swap(end_, other.end_);
        std::swap(capacity_, other.capacity_);
    }

private:
    void make_room(std::size_t bytes) {
        const std::size_t used = size();
        if (begin_ != 0 && used != 0) std::memmove(data_.get(), data_.get() + begin_, used);
        if (capacity_ < used + bytes || begin_ < capacity_ / 2) {
            std::size_t grown = capacity_ == 0 ? 256 : capacity_ * 2;
            while (grown < used + bytes) grown *= 2;
            // A large block is moved by the page table, not copied.
            void* const bigger = std::realloc(data_.get(), grown);
            if (bigger == nullptr) throw std::bad_alloc();
            (void)data_.release();
            data_.reset(static_cast<char*>(bigger));
            capacity_ = grown;
        }
        begin_ = 0;
        end_ = used;
    }

    struct Free {
        void operator()(char* block) const noexcept { std::free(block); }
    };
    std::unique_ptr<char[], Free> data_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
    std::size_t capacity_ = 0;
};

}  // namespace redoubt::connection
