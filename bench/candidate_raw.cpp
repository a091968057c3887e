// bench: the ceiling: GETs encoded beforehand over plain sockets, 64 in flight on each of four. Replies are counted, not
// read.
#include <cerrno>
#include <cstring>
#include <system_error>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/cell.hpp"

namespace bench {
namespace {

constexpr std::size_t depth = 64;
constexpr std::size_t sockets = 4;

[[noreturn]] void fail(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

// Sends a batch, waits for all of its replies, sends the next.
class Stream {
public:
    Stream(std::uint16_t port, std::size_t index, const Workload& workload) {
        fd_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        if (fd_ < 0 || ::connect(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
            fail("connect");
        const int on = 1;
        ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        ::fcntl(fd_, F_SETFL, O_NONBLOCK);
        for (std::size_t i = 0; i < depth; ++i) {
            batch_.append("*2\r\n$3\r\nGET\r\n$16\r\n").append(workload.key(index, i)).append("\r\n");
        }
        // $64, CR LF, the value, CR LF
        reply_size_ = 1 + std::to_string(workload.value_size).size() + 2 + workload.value_size + 2;
    }
    ~Stream() { ::close(fd_); }
    Stream(const Stream&) = delete;
    Stream& operator=(const Stream&) = delete;

    int fd() const { return fd_; }
    void send() {
        if (::send(fd_, batch_.data(), batch_.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(batch_.size()))
            fail("send");
        missing_ = reply_size_ * depth;
    }
    /// True when the batch was answered.
    bool receive(std::vector<char>& buffer) {
        while (missing_ != 0) {
            const ssize_t got = ::recv(fd_, buffer.data(), std::min(buffer.size(), missing_), 0);
            if (got < 0 && errno == EAGAIN) return false;
            if (got <= 0) fail("recv");
            missing_ -= static_cast<std::size_t>(got);
        }
        return true;
    }

private:
    int fd_ = -1;
    std::string batch_;
    std::size_t reply_size_ = 0;
    std::size_t missing_ = 0;
};

void run(const Arguments& arguments) {
    const Workload workload(arguments.text("workload", "get"));
    Window window(arguments.number("seconds", 1));
    Tally tally(window.phase);
    std::vector<std::unique_ptr<Stream>> streams;
    std::vector<pollfd> polled;
    for (std::size_t i = 0; i < sockets; ++i) {
        streams.push_back(
            std::make_unique<Stream>(static_cast<std::uint16_t>(arguments.count("port", 0)), i, workload));
        polled.push_back({streams.back()->fd(), POLLIN, 0});
        streams.back()->send();
    }
    std::vector<char> buffer(64 * 1024);
    auto next = Clock::now() + Window::warm_up;
    while (tally.running()) {
        if (::poll(polled.data(), polled.size(), 1000) < 0 && errno != EINTR) fail("poll");
        for (std::size_t i = 0; i < sockets; ++i) {
            if (polled[i].revents == 0 || !streams[i]->receive(buffer)) continue;
            tally.add(depth);
            streams[i]->send();
        }
        if (Clock::now() < next) continue;
        if (window.phase == Phase::warming) {
            window.open(tally.operations());
            next = Clock::now() + std::chrono::duration_cast<Clock::duration>(window.length());
        } else {
            window.close(tally.operations());
        }
    }
    window.print({});
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
