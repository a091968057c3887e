// tests: runs a program to its end, and says what it wrote and how it ended.
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <redoubt/base/clock.hpp>

namespace redoubt::testing {

struct Ran {
    int status = -1;  ///< exit status; 128 and the signal when one ended it
    std::string out;
    std::string err;
};

/// `environment` (`NAME=value`) is all that the program sees.
inline Ran run_program(const std::vector<std::string>& words, const std::vector<std::string>& environment,
                       const std::string& input = {}) {
    // Files in memory: no pipe can fill up.
    std::array<int, 3> files{};
    for (int& file : files) file = ::memfd_create("redoubt-test", MFD_CLOEXEC);
    if (::pwrite(files[0], input.data(), input.size(), 0) != static_cast<ssize_t>(input.size())) {
        throw std::runtime_error("cannot write the program's input");
    }
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    std::vector<char*> envp;
    for (const std::string& setting : environment) envp.push_back(const_cast<char*>(setting.c_str()));
    envp.push_back(nullptr);
    const pid_t child = ::fork();
    if (child == 0) {
        for (int i = 0; i < 3; ++i) ::dup2(files[static_cast<std::size_t>(i)], i);
        ::execve(argv[0], argv.data(), envp.data());
        ::_exit(127);
    }
    if (child < 0) throw std::runtime_error("cannot fork");

    const TimePoint deadline = Clock::now() + std::chrono::seconds(120);
    int ended = 0;
    while (::waitpid(child, &ended, WNOHANG) == 0) {
        if (Clock::now() > deadline) {
            ::kill(child, SIGKILL);
            ::waitpid(child, &ended, 0);
            break;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    const auto content = [](int file) {
        std::string text(static_cast<std::size_t>(::lseek(file, 0, SEEK_END)), '\0');
        const ssize_t got = ::pread(file, text.data(), text.size(), 0);
        ::close(file);
        return got == static_cast<ssize_t>(text.size()) ? text : std::string("(unreadable)");
    };
    Ran ran;
    ran.status = WIFEXITED(ended) ? WEXITSTATUS(ended) : 128 + WTERMSIG(ended);
    ran.out = content(files[1]);
    ran.err = content(files[2]);
    ::close(files[0]);
    return ran;
}

}  // namespace redoubt::testing
