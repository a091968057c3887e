// tests: a program that runs beside the test, whose output is read line by line; it ends with the test.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <redoubt/base/clock.hpp>

namespace redoubt::testing {

class ChildProcess {
public:
    /// `environment` (`NAME=value`) is all that it sees. Standard output and standard error are one.
    ChildProcess(const std::vector<std::string>& words, const std::vector<std::string>& environment) {
        std::array<int, 2> output{};
        if (::pipe2(output.data(), O_CLOEXEC) != 0) throw std::runtime_error("cannot make a pipe");
        std::vector<char*> argv;
        for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
        argv.push_back(nullptr);
        std::vector<char*> envp;
        for (const std::string& setting : environment) envp.push_back(const_cast<char*>(setting.c_str()));
        envp.push_back(nullptr);
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // should the test be killed
            ::dup2(output[1], STDOUT_FILENO);
            ::dup2(output[1], STDERR_FILENO);
            ::execve(argv[0], argv.data(), envp.data());
            ::_exit(127);
        }
        ::close(output[1]);
        output_ = output[0];
        if (child_ < 0) throw std::runtime_error("cannot fork");
    }
    ~ChildProcess() {
        if (child_ > 0) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
        ::close(output_);
    }
    ChildProcess(const ChildProcess&) = delete;
    ChildProcess& operator=(const ChildProcess&) = delete;

    /// The next line that holds `part`. @throws std::runtime_error with what it printed when none comes in 60 s
    std::string line_with(std::string_view part) {
        const TimePoint until = Clock::now() + std::chrono::seconds(60);
        for (;;) {
            for (std::size_t end = unread_.find('\n'); end != std::string::npos; end = unread_.find('\n')) {
                std::string line = unread_.substr(0, end);
                unread_.erase(0, end + 1);
                if (line.find(part) != std::string::npos) return line;
            }
            pollfd ready{output_, POLLIN, 0};
            const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
            std::array<char, 4096> chunk{};
            const bool came = left > 0 && ::poll(&ready, 1, static_cast<int>(left)) > 0;
            const ssize_t got = came ? ::read(output_, chunk.data(), chunk.size()) : 0;
            if (got <= 0) throw std::runtime_error("the program said nothing of it: " + printed_);
            printed_.append(chunk.data(), static_cast<std::size_t>(got));
            unread_.append(chunk.data(), static_cast<std::size_t>(got));
        }
    }
    void signal(int number) const { ::kill(child_, number); }
    /// Its exit status, or 128 and the signal that ended it; 255 when it does not end in 60 s.
    int wait() {
        const TimePoint until = Clock::now() + std::chrono::seconds(60);
        int status = 0;
        while (::waitpid(child_, &status, WNOHANG) == 0) {
            if (Clock::now() > until) return 255;
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
        }
        child_ = -1;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    int end(int number = SIGTERM) {
        signal(number);
        return wait();
    }

private:
    pid_t child_ = -1;
    int output_ = -1;
    std::string unread_;
    std::string printed_;
};

}  // namespace redoubt::testing
