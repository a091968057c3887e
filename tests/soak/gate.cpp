// tests: the soak's gate; see the header.
#include "gate.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "link.hpp"
#include "random.hpp"

namespace redoubt::soak {
namespace {

using std::chrono::milliseconds;

int checked(int outcome, const char* what) {
    if (outcome < 0) throw std::system_error(errno, std::generic_category(), std::string("the gate: ") + what);
    return outcome;
}

int listen_on_loopback(std::uint16_t& port) {
    const int fd = checked(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    void* const any = &address;
    checked(::bind(fd, static_cast<sockaddr*>(any), size), "bind");
    checked(::listen(fd, 256), "listen");
    checked(::getsockname(fd, static_cast<sockaddr*>(any), &size), "getsockname");
    port = ntohs(address.sin_port);
    return fd;
}

int connect_to(const std::string& path) {
    const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(static_cast<char*>(address.sun_path), path.c_str(), std::min(path.size(), sizeof address.sun_path - 1));
    void* const any = &address;
    if (fd < 0 || ::connect(fd, static_cast<sockaddr*>(any), sizeof address) != 0) {
        if (fd >= 0) ::close(fd);
        return -1;
    }
    return fd;
}

}  // namespace

class Gate::Relay {
public:
    explicit Relay(const GateOptions& options) : options_(options), random_(options.seed) {
        listener_ = listen_on_loopback(port);
        stop_ = checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
        epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "epoll");
        watch(listener_, EPOLLIN, nullptr);
        watch(stop_, EPOLLIN, &stop_);
    }
    ~Relay() {
        links_.clear();
        for (const int fd : {listener_, stop_, epoll_}) ::close(fd);
    }
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    void stop() const { ::eventfd_write(stop_, 1); }
    void run();

    std::uint16_t port = 0;
    std::atomic<std::uint64_t> cuts{0};
    std::atomic<std::uint64_t> pauses{0};
    std::atomic<std::uint64_t> chops{0};

private:
    void watch(int fd, std::uint32_t events, void* what) const {
        epoll_event event{};
        event.events = events;
        event.data.ptr = what;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    void accept_all();
    void inject(TimePoint now);
    void cut(Link& link);
    Link* any_link() {
        return links_.empty() ? nullptr : links_[random_.below(static_cast<std::uint32_t>(links_.size()))].get();
    }
    TimePoint soon(std::uint32_t least_ms, std::uint32_t most_ms) {
        return Clock::now() + milliseconds(random_.between(least_ms, most_ms));
    }

    GateOptions options_;
    Random random_;
    int listener_ = -1;
    int stop_ = -1;
    int epoll_ = -1;
    std::vector<std::unique_ptr<Link>> links_;
    TimePoint next_cut_ = Clock::now() + milliseconds(100);
    TimePoint next_pause_ = Clock::now() + milliseconds(150);
    TimePoint next_chop_ = Clock::now();
    TimePoint next_swap_ = Clock::now() + milliseconds(100);
};

void Gate::Relay::run() {
    std::array<epoll_event, 64> events{};
    for (bool busy = false;;) {
        // While something is held back, or goes out in pieces, its time must be looked at again.
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), busy ? 0 : 1);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.ptr == &stop_) return;
            if (event.data.ptr == nullptr) {
                accept_all();
            } else {
                static_cast<End*>(event.data.ptr)->note(event.events);
            }
        }
        const TimePoint now = Clock::now();
        if (options_.faults) inject(now);
        busy = false;
        for (const auto& link : links_) busy |= link->pump(now, random_);
        std::erase_if(links_, [](const auto& link) { return link->is_over(); });
    }
}

void Gate::Relay::accept_all() {
    for (;;) {
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) return;
        const int server = connect_to(options_.socket_path);
        if (server < 0) {
            ::close(client);
            continue;
        }
        auto link = std::make_unique<Link>(client, server);
        watch(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &link->client());
        watch(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &link->server());
        links_.push_back(std::move(link));
    }
}

// By time and not by bytes: the load does not decide how many faults there are.
void Gate::Relay::inject(TimePoint now) {
    Link* const link = any_link();
    if (link == nullptr) return;
    if (now >= next_cut_) {
        next_cut_ = soon(50, 200);
        cut(*link);
        ++cuts;
    } else if (now >= next_pause_) {
        next_pause_ = soon(50, 250);
        // Most are late answers; one in six is longer than the library waits for a wire that does not move.
        const auto length = milliseconds(random_.one_in(6) ? random_.between(300, 700) : random_.between(2, 60));
        if (!random_.one_in(3)) link->down().hold(now + length);
        if (random_.one_in(3)) link->up().hold(now + length);
        ++pauses;
    } else if (now >= next_chop_) {
        next_chop_ = soon(4, 16);
        Flow& flow = random_.one_in(2) ? link->up() : link->down();
        if (random_.one_in(3)) {
            flow.hold(now + milliseconds(random_.between(1, 3)));  // what comes meanwhile goes out as one
        } else {
            flow.split(random_.between(200, 3000));
        }
        ++chops;
    }
    if (options_.swap_replies && now >= next_swap_) {
        next_swap_ = now + milliseconds(50);
        link->down().swap_next();
    }
}

void Gate::Relay::cut(Link& link) {
    switch (random_.below(6)) {
        case 0: link.reset(); break;
        case 1: link.down().end_after(random_.between(0, 300), Flow::Ending::close); break;  // inside a reply
        case 2: link.down().end_after(random_.between(0, 300), Flow::Ending::reset); break;
        case 3: link.up().end_after(random_.between(0, 300), Flow::Ending::reset); break;  // inside a command
        case 4: link.half_close(Clock::now() + milliseconds(random_.between(1, 300))); break;
        default: link.lose_server(); break;
    }
}

Gate::Gate(const GateOptions& options) : relay_(std::make_unique<Relay>(options)) {
    thread_ = std::thread([this] { relay_->run(); });
}

Gate::~Gate() {
    relay_->stop();
    thread_.join();
}

std::uint16_t Gate::port() const noexcept { return relay_->port; }
std::uint64_t Gate::cuts() const noexcept { return relay_->cuts; }
std::uint64_t Gate::pauses() const noexcept { return relay_->pauses; }
std::uint64_t Gate::splits_and_merges() const noexcept { return relay_->chops; }

}  // namespace redoubt::soak
