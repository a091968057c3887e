// embedded: the owner's side of the supervisor: starts it, asks it, ends it.
#include "embedded/supervisor_link.hpp"

#include <cerrno>
#include <chrono>
#include <csignal>
#include <system_error>

#include <poll.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

namespace redoubt::embedded {
namespace {

using namespace std::chrono_literals;

[[noreturn]] void raise_system(const char* what, int code) {
    raise(Error::with_detail(ErrorKind::connection, Certainty::not_sent, Stage::connecting,
                             fmt::format("embedded server: {}: {}", what, std::generic_category().message(code))));
}

[[noreturn]] void raise_lost() {
    raise(Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting,
                    "embedded server: its supervisor process is gone"));
}

int poll_timeout(TimePoint until) {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
    return left <= 0 ? 0 : static_cast<int>(left);
}

}  // namespace

SupervisorLink::SupervisorLink(const std::string& program, const std::vector<std::string>& arguments,
                               const std::string& directory, const std::string& log)
    : owner_(::getpid()) {
    std::vector<std::string> words = arguments;
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);

    int pair[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0) raise_system("socketpair", errno);
    const SupervisorPlan plan{program.c_str(), argv.data(), directory.c_str(), log.c_str(), pair[1], owner_};

    // No handler of ours may run in the child before it has put them away.
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    const pid_t child = ::fork();
    if (child == 0) run_supervisor(plan);
    const int code = errno;
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    ::close(pair[1]);
    if (child < 0) {
        ::close(pair[0]);
        raise_system("fork", code);
    }
    supervisor_ = child;
    control_ = pair[0];
}

SupervisorLink::~SupervisorLink() {
    // A child that the owner forked has a copy of this object, but not the server.
    if (::getpid() == owner_) {
        SupervisorRequest request;
        request.op = SupervisorRequest::Op::end;
        // Said, not left to the socket's end: a forked child may hold the socket open.
        static_cast<void>(::send(control_, &request, sizeof request, MSG_NOSIGNAL));
        while (::waitpid(supervisor_, nullptr, 0) < 0 && errno == EINTR) {}
    }
    ::close(control_);
}

void SupervisorLink::send(SupervisorRequest request) {
    request.id = ++last_id_;
    waits_for_end_ = false;
    while (::send(control_, &request, sizeof request, MSG_NOSIGNAL) < 0) {
        if (errno != EINTR) raise_lost();
    }
}

std::optional<SupervisorReply> SupervisorLink::receive(TimePoint until) {
    for (;;) {
        pollfd polled{control_, POLLIN, 0};
        const int ready = ::poll(&polled, 1, poll_timeout(until));
        if (ready < 0 && errno == EINTR) continue;
        if (ready < 0) raise_system("poll", errno);
        if (ready == 0) return std::nullopt;
        SupervisorReply reply;
        const ssize_t size = ::recv(control_, &reply, sizeof reply, MSG_DONTWAIT);
        if (size < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (size != static_cast<ssize_t>(sizeof reply)) raise_lost();
        if (reply.id == last_id_) return reply;  // others answer requests that were given up
    }
}

SupervisorReply SupervisorLink::ask(SupervisorRequest request, Duration patience) {
    send(request);
    const std::optional<SupervisorReply> reply = receive(Clock::now() + patience);
    if (!reply) {
        raise(Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent,
                        "embedded server: the process did not follow the signal in time"));
    }
    if (reply->error != 0) raise_system("start or signal", reply->error);
    return *reply;
}

SupervisorReply SupervisorLink::start() {
    SupervisorRequest request;
    request.op = SupervisorRequest::Op::start;
    return ask(request, 10s);
}

SupervisorReply SupervisorLink::status() { return ask(SupervisorRequest{}, 10s); }

SupervisorReply SupervisorLink::signal(int number, Phase until, Duration patience) {
    SupervisorRequest request;
    request.op = SupervisorRequest::Op::signal;
    request.signal = number;
    request.until = until;
    return ask(request, patience);
}

std::optional<SupervisorReply> SupervisorLink::wait_for_end(TimePoint until) {
    if (!waits_for_end_) {
        SupervisorRequest request;
        request.op = SupervisorRequest::Op::wait;
        request.until = Phase::none;
        send(request);
        waits_for_end_ = true;
    }
    std::optional<SupervisorReply> reply = receive(until);
    if (reply) waits_for_end_ = false;
    return reply;
}

}  // namespace redoubt::embedded
