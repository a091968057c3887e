// tests: a listener on 127.0.0.1 that is no Redis server: it says what the test gives it, or nothing, or goes at once.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::testing {

/// Serves until it is destroyed, on a thread of its own.
class FakePeer {
public:
    enum class Manner {
        answers,  ///< each time that something comes
        silent,   ///< accepts and reads, and says nothing
        leaves,   ///< closes as soon as it has accepted
    };

    explicit FakePeer(Manner manner, std::string answer = {}) : manner_(manner), answer_(std::move(answer)) {
        listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        stop_ = ::eventfd(0, EFD_CLOEXEC);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        void* const any = &address;
        if (::bind(listener_, static_cast<sockaddr*>(any), size) != 0 || ::listen(listener_, 64) != 0 ||
            ::getsockname(listener_, static_cast<sockaddr*>(any), &size) != 0) {
            throw std::runtime_error("the fake peer cannot listen");
        }
        port_ = ntohs(address.sin_port);
        thread_ = std::thread([this] { serve(); });
    }
    ~FakePeer() {
        ::eventfd_write(stop_, 1);
        thread_.join();
        ::close(listener_);
        ::close(stop_);
    }
    FakePeer(const FakePeer&) = delete;
    FakePeer& operator=(const FakePeer&) = delete;

    std::uint16_t port() const noexcept { return port_; }
    std::string url(const std::string& scheme = "redis") const {
        return scheme + "://127.0.0.1:" + std::to_string(port_);
    }
    int accepted() const noexcept { return accepted_; }

private:
    void serve() {
        std::vector<pollfd> watched{{stop_, POLLIN, 0}, {listener_, POLLIN, 0}};
        while (::poll(watched.data(), watched.size(), -1) >= 0 && watched[0].revents == 0) {
            for (std::size_t i = 2; i < watched.size(); ++i) {
                if (watched[i].revents != 0 && !answer(watched[i].fd)) {
                    ::close(watched[i].fd);
                    watched[i].fd = -1;  // poll passes it over
                }
            }
            if (watched[1].revents == 0) continue;
            const int wire = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
            ++accepted_;
            if (manner_ == Manner::leaves) {
                ::close(wire);
            } else {
                watched.push_back({wire, POLLIN, 0});
            }
        }
        for (std::size_t i = 2; i < watched.size(); ++i) {
            if (watched[i].fd >= 0) ::close(watched[i].fd);
        }
    }
    bool answer(int wire) const {
        std::array<char, 4096> ignored{};
        if (::recv(wire, ignored.data(), ignored.size(), 0) <= 0) return false;
        return manner_ != Manner::answers || ::send(wire, answer_.data(), answer_.size(), MSG_NOSIGNAL) >= 0;
    }

    Manner manner_;
    std::string answer_;
    std::atomic<int> accepted_{0};
    int listener_ = -1;
    int stop_ = -1;
    std::uint16_t port_ = 0;
    std::thread thread_;
};

}  // namespace redoubt::testing
