// tests: the fault gate; see the header.
#include "support/fault_gate.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <system_error>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "support/fault_link.hpp"

namespace redoubt::testing {
namespace {

using std::chrono::milliseconds;

constexpr auto swap_interval = milliseconds(50);

int checked(int outcome, const char* what) {
    if (outcome < 0) throw std::system_error(errno, std::generic_category(), std::string("the gate: ") + what);
    return outcome;
}

struct SocketAddress {
    sockaddr_storage storage{};
    socklen_t size = 0;
    sockaddr* get() noexcept {
        void* const any = &storage;
        return static_cast<sockaddr*>(any);
    }
};

SocketAddress loopback(std::uint16_t port) {
    SocketAddress address;
    sockaddr_in form{};
    form.sin_family = AF_INET;
    form.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    form.sin_port = htons(port);
    std::memcpy(&address.storage, &form, sizeof form);
    address.size = sizeof form;
    return address;
}

SocketAddress unix_path(const std::string& path) {
    SocketAddress address;
    sockaddr_un form{};
    form.sun_family = AF_UNIX;
    if (path.size() >= sizeof form.sun_path) throw std::runtime_error("the gate: the socket's path is too long");
    std::memcpy(static_cast<char*>(form.sun_path), path.c_str(), path.size());
    std::memcpy(&address.storage, &form, sizeof form);
    address.size = sizeof form;
    return address;
}

}  // namespace

class FaultGate::Relay {
public:
    explicit Relay(const FaultGateOptions& options)
        : options_(options),
          server_(options.server_socket.empty() ? loopback(options.server_port) : unix_path(options.server_socket)),
          schedule_(options.plan, options.seed) {
        listen();
        wake_ = checked(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), "eventfd");
        epoll_ = checked(::epoll_create1(EPOLL_CLOEXEC), "epoll");
        watch(listener_, EPOLLIN, nullptr);
        watch(wake_, EPOLLIN, &wake_);
    }
    ~Relay() {
        links_.clear();
        for (const int fd : {listener_, wake_, epoll_}) ::close(fd);
    }
    Relay(const Relay&) = delete;
    Relay& operator=(const Relay&) = delete;

    void run();
    void stop() {
        stopped_ = true;
        ::eventfd_write(wake_, 1);
    }
    /// On the relay's thread, and waits until it is done.
    void perform(std::function<void()> act) {
        std::packaged_task<void()> task(std::move(act));
        std::future<void> done = task.get_future();
        {
            const std::lock_guard lock(mutex_);
            tasks_.push_back(std::move(task));
        }
        ::eventfd_write(wake_, 1);
        done.get();
    }
    void inject(const Fault& fault, TimePoint now);
    const std::string& socket() const noexcept { return options_.listen_socket; }
    void say(std::string_view bytes) {
        for (const auto& link : links_) link->down().insert(bytes);
    }
    void calm() {
        calm_ = true;
        for (const auto& link : links_) link->calm();
    }

    std::uint16_t port = 0;
    std::array<std::atomic<std::uint64_t>, fault_kinds> injected{};
    std::atomic<std::uint64_t> accepted{0};
    std::atomic<std::size_t> connections{0};
    std::atomic<std::uint64_t> received{0};

private:
    void listen();
    void watch(int fd, std::uint32_t events, void* what) const {
        epoll_event event{};
        event.events = events;
        event.data.ptr = what;
        checked(::epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event), "epoll_ctl");
    }
    void accept_all();
    int connect_to_server();
    void perform_tasks();
    TimePoint follow_plan(TimePoint now);

    FaultGateOptions options_;
    SocketAddress server_;
    FaultSchedule schedule_;
    TimePoint begin_ = Clock::now();
    TimePoint next_swap_ = begin_ + 2 * swap_interval;
    std::uint32_t swapped_ = 0;
    int listener_ = -1;
    int wake_ = -1;
    int epoll_ = -1;
    std::atomic<bool> stopped_{false};
    bool calm_ = false;
    std::mutex mutex_;
    std::vector<std::packaged_task<void()>> tasks_;
    std::vector<std::unique_ptr<Link>> links_;
};

void FaultGate::Relay::listen() {
    const bool tcp = options_.listen_socket.empty();
    SocketAddress address = tcp ? loopback(0) : unix_path(options_.listen_socket);
    listener_ = checked(::socket(tcp ? AF_INET : AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), "socket");
    checked(::bind(listener_, address.get(), address.size), "bind");
    checked(::listen(listener_, 256), "listen");
    if (!tcp) return;
    checked(::getsockname(listener_, address.get(), &address.size), "getsockname");
    sockaddr_in form{};
    std::memcpy(&form, &address.storage, sizeof form);
    port = ntohs(form.sin_port);
}

void FaultGate::Relay::run() {
    std::array<epoll_event, 64> events{};
    TimePoint wake_at = Clock::now();
    for (;;) {
        // While something is held back, or goes out in pieces, its time must be looked at again.
        const auto left = std::chrono::ceil<milliseconds>(wake_at - Clock::now()).count();
        const int patience =
            wake_at == TimePoint::max() ? -1 : static_cast<int>(std::clamp<std::int64_t>(left, 0, 1000));
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), patience);
        for (int i = 0; i < count; ++i) {
            const epoll_event& event = events[static_cast<std::size_t>(i)];
            if (event.data.ptr == nullptr) {
                accept_all();
            } else if (event.data.ptr != &wake_) {
                static_cast<End*>(event.data.ptr)->note(event.events);
            }
        }
        perform_tasks();
        if (stopped_) return;
        const TimePoint now = Clock::now();
        wake_at = calm_ ? TimePoint::max() : follow_plan(now);
        for (const auto& link : links_) {
            wake_at = std::min(wake_at, link->pump(now));
            received += link->up().take_received();
        }
        std::erase_if(links_, [](const auto& link) { return link->is_over(); });
        connections = links_.size();
    }
}

void FaultGate::Relay::perform_tasks() {
    eventfd_t ignored = 0;
    (void)::eventfd_read(wake_, &ignored);
    std::vector<std::packaged_task<void()>> tasks;
    {
        const std::lock_guard lock(mutex_);
        tasks.swap(tasks_);
    }
    for (auto& task : tasks) task();
}

int FaultGate::Relay::connect_to_server() {
    const int fd = ::socket(server_.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (::connect(fd, server_.get(), server_.size) == 0 || errno == EINPROGRESS) return fd;
    ::close(fd);
    return -1;
}

void FaultGate::Relay::accept_all() {
    for (;;) {
        const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (client < 0) return;
        const int server = connect_to_server();
        if (server < 0) {
            ::close(client);
            continue;
        }
        ++accepted;
        auto link = std::make_unique<Link>(client, server);
        watch(client, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &link->client());
        watch(server, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, &link->server());
        links_.push_back(std::move(link));
    }
}

// By time and not by bytes: the load does not decide how many faults there are.
TimePoint FaultGate::Relay::follow_plan(TimePoint now) {
    if (options_.swap_replies && now >= next_swap_ && !links_.empty()) {
        next_swap_ = now + swap_interval;
        links_[++swapped_ % links_.size()]->down().swap_next();
    }
    if (schedule_.empty()) return options_.swap_replies ? next_swap_ : TimePoint::max();
    for (; begin_ + schedule_.next().at <= now; schedule_.advance()) inject(schedule_.next(), now);
    return begin_ + schedule_.next().at;
}

void FaultGate::Relay::inject(const Fault& fault, TimePoint now) {
    if (links_.empty()) return;
    ++injected[static_cast<std::size_t>(fault.kind)];
    if (fault.pick != Fault::every_connection) return links_[fault.pick % links_.size()]->suffer(fault, now);
    for (const auto& link : links_) link->suffer(fault, now);
}

FaultGate::FaultGate(const FaultGateOptions& options) : relay_(std::make_unique<Relay>(options)) {
    thread_ = std::thread([this] { relay_->run(); });
}

FaultGate::~FaultGate() {
    relay_->stop();
    thread_.join();
}

std::uint16_t FaultGate::port() const noexcept { return relay_->port; }
std::string FaultGate::url() const {
    return relay_->port != 0 ? "redis://127.0.0.1:" + std::to_string(relay_->port) : "unix://" + relay_->socket();
}
void FaultGate::inject(const Fault& fault) {
    relay_->perform([&] { relay_->inject(fault, Clock::now()); });
}
void FaultGate::say(std::string_view bytes) {
    relay_->perform([&] { relay_->say(bytes); });
}
void FaultGate::calm() {
    relay_->perform([&] { relay_->calm(); });
}
std::uint64_t FaultGate::injected(FaultKind kind) const noexcept {
    return relay_->injected[static_cast<std::size_t>(kind)];
}
std::uint64_t FaultGate::accepted() const noexcept { return relay_->accepted; }
std::size_t FaultGate::connections() const noexcept { return relay_->connections; }
std::uint64_t FaultGate::received() const noexcept { return relay_->received; }

}  // namespace redoubt::testing
