// embedded: the supervisor process. Everything here runs after fork of a process that may have had many
// threads: system calls only, no allocation, no locks, no exceptions.
#include "embedded/supervisor.hpp"

#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "embedded/remove_tree.hpp"

namespace redoubt::embedded {
namespace {

constexpr int control_fd = 3;

void close_one_by_one(int first) noexcept {
    // Kernels before 5.9 have no close_range. What is open is listed by the kernel; the limit may be huge.
    const int folder = ::open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        for (int fd = first; fd < 65536; ++fd) ::close(fd);
        return;
    }
    alignas(8) char records[2048];
    for (;;) {
        const long size = ::syscall(SYS_getdents64, folder, records, sizeof records);
        if (size <= 0) break;
        for (long at = 0; at < size;) {
            unsigned short length = 0;
            std::memcpy(&length, records + at + 16, sizeof length);
            int fd = 0;
            const char* digit = records + at + 19;
            for (; *digit >= '0' && *digit <= '9'; ++digit) fd = fd * 10 + (*digit - '0');
            if (digit != records + at + 19 && fd >= first && fd != folder) ::close(fd);
            at += length;
        }
    }
    ::close(folder);
}

/// Only the control socket and three descriptors that lead nowhere stay: a pipe of the owner that were left
/// open here would keep its reader waiting.
bool keep_only(int control) noexcept {
    if (control < control_fd) control = ::fcntl(control, F_DUPFD, control_fd);
    const int nowhere = ::open("/dev/null", O_RDWR);
    if (control < 0 || nowhere < 0) return false;
    for (int fd = 0; fd < control_fd; ++fd) {
        if (fd != nowhere && ::dup2(nowhere, fd) < 0) return false;
    }
    if (control != control_fd && ::dup2(control, control_fd) < 0) return false;
    if (::fcntl(control_fd, F_SETFD, FD_CLOEXEC) < 0) return false;
    if (::syscall(SYS_close_range, control_fd + 1, ~0u, 0) != 0) close_one_by_one(control_fd + 1);
    return true;
}

void set_signals() noexcept {
    struct sigaction action;
    std::memset(&action, 0, sizeof action);
    for (int number = 1; number < NSIG; ++number) {
        // The owner's handlers must not run here; what a terminal or a broken pipe sends is not for us.
        const bool ignored = number == SIGINT || number == SIGHUP || number == SIGQUIT || number == SIGPIPE ||
                             number == SIGTSTP || number == SIGTTIN || number == SIGTTOU;
        action.sa_handler = ignored ? SIG_IGN : SIG_DFL;
        ::sigaction(number, &action, nullptr);
    }
}

class Supervisor {
public:
    explicit Supervisor(const SupervisorPlan& plan) noexcept : plan_(plan) {}

    [[noreturn]] void run() noexcept {
        if (prepare()) serve();
        finish();
    }

private:
    bool prepare() noexcept {
        ::setsid();
        set_signals();
        if (!keep_only(plan_.control)) return false;
        ::prctl(PR_SET_NAME, "redoubt-superv", 0, 0, 0);
        // Children that the server leaves (it forks to rewrite its log) come to us to be reaped.
        ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);

        sigset_t watched;
        sigemptyset(&watched);
        sigaddset(&watched, SIGCHLD);
        sigaddset(&watched, SIGTERM);
        ::sigprocmask(SIG_SETMASK, &watched, nullptr);
        signals_ = ::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
        // The end of the control socket tells of the owner's death too, but a child that the owner forked may
        // hold a copy of it. Where the kernel has no pidfd (-1), poll skips it.
        owner_ = static_cast<int>(::syscall(SYS_pidfd_open, plan_.owner, 0));
        return signals_ >= 0 && ::getppid() == plan_.owner;
    }

    void serve() noexcept {
        for (;;) {
            pollfd polled[] = {{control_fd, POLLIN, 0}, {signals_, POLLIN, 0}, {owner_, POLLIN, 0}};
            if (::poll(polled, 3, -1) < 0) {
                if (errno == EINTR) continue;
                return;
            }
            if (polled[2].revents != 0) return;
            if (polled[1].revents != 0 && !read_signals()) return;
            if (polled[0].revents != 0 && !read_request()) return;
        }
    }

    bool read_signals() noexcept {
        signalfd_siginfo info;
        bool go_on = true;
        while (::read(signals_, &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            if (info.ssi_signo == SIGTERM) go_on = false;  // somebody ends us: in order, as if the owner had gone
        }
        observe_server();
        answer_if_due();
        return go_on;
    }

    bool read_request() noexcept {
        SupervisorRequest request;
        const ssize_t size = ::recv(control_fd, &request, sizeof request, MSG_DONTWAIT);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        if (size != static_cast<ssize_t>(sizeof request)) return false;  // 0: the owner is gone
        if (request.op == SupervisorRequest::Op::end) return false;

        pending_ = true;
        request_ = request;
        error_ = 0;
        observe_server();
        if (request.op == SupervisorRequest::Op::start && server_ == 0) start();
        if (request.op == SupervisorRequest::Op::signal && server_ != 0) {
            if (::kill(server_, request.signal) != 0) error_ = errno;
        }
        observe_server();
        answer_if_due();
        return true;
    }

    void answer_if_due() noexcept {
        if (!pending_) return;
        const bool waits = request_.op == SupervisorRequest::Op::wait || request_.op == SupervisorRequest::Op::signal;
        if (waits && error_ == 0 && phase_ != request_.until && phase_ != Phase::none) return;
        pending_ = false;
        const SupervisorReply reply{request_.id, phase_, server_, exit_code_, exit_signal_, error_};
        // One answer a request: the socket's buffer cannot be full. A lost owner shows in the next poll.
        static_cast<void>(::send(control_fd, &reply, sizeof reply, MSG_NOSIGNAL | MSG_DONTWAIT));
    }

    void start() noexcept {
        const pid_t supervisor = ::getpid();
        // _Fork, unlike fork, runs no handlers of libraries, which might allocate.
        const pid_t child = ::_Fork();
        if (child == 0) become_server(supervisor);
        if (child < 0) {
            error_ = errno;
            return;
        }
        ::setpgid(child, child);  // both sides do: whoever comes first
        server_ = child;
        phase_ = Phase::running;
    }

    [[noreturn]] void become_server(pid_t supervisor) noexcept {
        ::setpgid(0, 0);                              // a group of its own, so that its children can be killed with it
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);  // the supervisor has one thread, so here this is right
        if (::getppid() != supervisor) ::_exit(127);
        struct sigaction action;
        std::memset(&action, 0, sizeof action);
        action.sa_handler = SIG_DFL;
        for (int number = 1; number < NSIG; ++number) ::sigaction(number, &action, nullptr);
        sigset_t nothing;
        sigemptyset(&nothing);
        ::sigprocmask(SIG_SETMASK, &nothing, nullptr);
        ::umask(077);
        const int log = ::open(plan_.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
        if (log >= 0) {
            ::dup2(log, 1);
            ::dup2(log, 2);
        }
        ::execv(plan_.program, plan_.argv);
        const char text[] = "cannot execute the server program\n";
        static_cast<void>(!::write(2, text, sizeof text - 1));
        ::_exit(127);
    }

    /// Takes what changed of the server: stopped, continued, ended.
    void observe_server() noexcept {
        while (server_ != 0) {
            siginfo_t info;
            info.si_pid = 0;
            const int options = WEXITED | WSTOPPED | WCONTINUED | WNOHANG;
            if (::waitid(P_PID, static_cast<id_t>(server_), &info, options | WNOWAIT) != 0) {
                if (errno == EINTR) continue;
                return forget_server();
            }
            if (info.si_pid == 0) return;
            if (info.si_code == CLD_STOPPED || info.si_code == CLD_TRAPPED) {
                phase_ = Phase::stopped;
            } else if (info.si_code == CLD_CONTINUED) {
                phase_ = Phase::running;
            } else {
                exit_code_ = info.si_code == CLD_EXITED ? info.si_status : 0;
                exit_signal_ = info.si_code == CLD_EXITED ? 0 : info.si_status;
                // While it is not reaped its number cannot be another's: the moment to end its children.
                ::kill(-server_, SIGKILL);
                while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {}
                return forget_server();
            }
            // Looked at only, so far. Taken now; should it have ended meanwhile, the next turn sees that.
            ::waitid(P_PID, static_cast<id_t>(server_), &info, WSTOPPED | WCONTINUED | WNOHANG);
        }
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
    }

    void forget_server() noexcept {
        server_ = 0;
        phase_ = Phase::none;
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {}
    }

    [[noreturn]] void finish() noexcept {
        if (server_ != 0) {
            ::kill(-server_, SIGKILL);
            ::kill(server_, SIGKILL);
            while (::waitpid(server_, nullptr, 0) < 0 && errno == EINTR) {}
        }
        // The server's children got the same signal; they must be gone before their folder goes. Bounded, for
        // a child that left the group would never end.
        for (int turn = 0; turn < 1000; ++turn) {
            const pid_t reaped = ::waitpid(-1, nullptr, WNOHANG);
            if (reaped < 0 && errno != EINTR) break;
            if (reaped == 0) ::poll(nullptr, 0, 1);
        }
        remove_tree(plan_.directory);
        ::_exit(0);
    }

    const SupervisorPlan& plan_;
    int signals_ = -1;
    int owner_ = -1;
    pid_t server_ = 0;
    Phase phase_ = Phase::none;
    int exit_code_ = 0;
    int exit_signal_ = 0;
    int error_ = 0;
    bool pending_ = false;
    SupervisorRequest request_;
};

}  // namespace

void run_supervisor(const SupervisorPlan& plan) noexcept {
    Supervisor supervisor{plan};
    supervisor.run();
}

}  // namespace redoubt::embedded
