// tests: a socket to the server that carries whole batches of commands, past Redoubt's wires.
#pragma once

#include <array>
#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

#include "resp/scanner.hpp"

namespace redoubt::isolation_fuzz {

/// For one thread. Every failure is a std::runtime_error.
class Link {
public:
    explicit Link(const std::string& socket_path);
    ~Link();
    Link(const Link&) = delete;
    Link& operator=(const Link&) = delete;

    /// Sends all the bytes, and calls `take(frame)` for each of so many replies, in order.
    template <class Take>
    void exchange(std::string_view bytes, std::size_t replies, Take take) {
        while (!bytes.empty() || replies != 0) {
            transfer(bytes, replies != 0);
            while (replies != 0) {
                switch (scanner_.scan(std::string_view(received_).substr(taken_))) {
                    case resp::ReplyScanner::Status::need_more: break;
                    case resp::ReplyScanner::Status::error:
                        throw std::runtime_error("what the server sent is no RESP: " + std::string(scanner_.error()));
                    case resp::ReplyScanner::Status::complete:
                        take(std::string_view(received_).substr(taken_, scanner_.size()));
                        taken_ += scanner_.size();
                        --replies;
                        continue;
                }
                break;
            }
            if (taken_ == received_.size()) {
                received_.clear();
                taken_ = 0;
            }
        }
    }
    /// What has come without being asked for.
    std::string unasked();

private:
    /// Waits until the socket can do something, and does it; `bytes` loses what was sent.
    void transfer(std::string_view& bytes, bool reading);
    bool receive();

    int fd_ = -1;
    std::string received_;
    std::size_t taken_ = 0;
    ReplyLimits limits_{};
    resp::ReplyScanner scanner_{limits_};
};

}  // namespace redoubt::isolation_fuzz
