// connection: name resolution; see the header.
#include "connection/resolver.hpp"

#include <atomic>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <thread>

#include <netdb.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <fmt/format.h>

namespace redoubt::connection {

struct Resolution::Shared {
    Shared() : event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
    ~Shared() {
        if (event >= 0) ::close(event);
    }
    void look_up(const std::string& host, std::uint16_t port, int flags);
    void announce() {
        done.store(true, std::memory_order_release);
        (void)::eventfd_write(event, 1);
    }

    int event;
    std::atomic<bool> done{false};
    std::vector<Address> addresses;
    std::string error_text;
};

void Resolution::Shared::look_up(const std::string& host, std::uint16_t port, int flags) {
    addrinfo hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = flags | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failure = ::getaddrinfo(host.c_str(), fmt::format("{}", port).c_str(), &hints, &found);
    if (failure != 0) {
        error_text = failure == EAI_SYSTEM ? std::strerror(errno) : ::gai_strerror(failure);
        return;
    }
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        Address address;
        std::memcpy(&address.storage, at->ai_addr, at->ai_addrlen);
        address.size = at->ai_addrlen;
        char text[NI_MAXHOST] = "";
        (void)::getnameinfo(at->ai_addr, at->ai_addrlen, text, sizeof text, nullptr, 0, NI_NUMERICHOST);
        address.text =
            at->ai_family == AF_INET6 ? fmt::format("[{}]:{}", text, port) : fmt::format("{}:{}", text, port);
        addresses.push_back(std::move(address));
    }
    ::freeaddrinfo(found);
}

Resolution::Resolution(const std::string& host, std::uint16_t port) : shared_(std::make_shared<Shared>()) {
    if (shared_->event < 0) {
        shared_->error_text = fmt::format("eventfd: {}", std::strerror(errno));
        shared_->done.store(true, std::memory_order_release);
        return;
    }
    shared_->look_up(host, port, AI_NUMERICHOST);
    if (!shared_->addresses.empty()) {
        shared_->announce();
        return;
    }
    shared_->error_text.clear();
    try {
        std::thread([shared = shared_, host, port] {
            shared->look_up(host, port, AI_ADDRCONFIG);
            // `localhost` on a machine without any other network has no configured family.
            if (shared->addresses.empty()) {
                shared->error_text.clear();
                shared->look_up(host, port, 0);
            }
            // A bare system may not know the name, which always means this machine (RFC 6761, section 6.3).
            if (shared->addresses.empty() && host == "localhost") {
                shared->error_text.clear();
                shared->look_up("127.0.0.1", port, AI_NUMERICHOST);
                shared->look_up("::1", port, AI_NUMERICHOST);
            }
            shared->announce();
        }).detach();
    } catch (const std::system_error& refused) {  // no more threads
        shared_->error_text = refused.what();
        shared_->announce();
    }
}

Resolution::~Resolution() = default;

int Resolution::fd() const noexcept { return shared_->event; }
bool Resolution::done() const noexcept { return shared_->done.load(std::memory_order_acquire); }
const std::vector<Address>& Resolution::addresses() const noexcept { return shared_->addresses; }
const std::string& Resolution::error_text() const noexcept { return shared_->error_text; }

}  // namespace redoubt::connection
