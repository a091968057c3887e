// bench: child processes; see the header.
#include "cells.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <sstream>
#include <stdexcept>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/json/parse.hpp>

extern char** environ;

namespace bench {
namespace {

constexpr std::chrono::seconds start_and_end{30};
constexpr std::size_t longest_failure = 100;

class Child {
public:
    Child(const std::string& program, const std::vector<std::string>& arguments) {
        open_pipe(output_);
        open_pipe(errors_);
        posix_spawn_file_actions_t actions;
        posix_spawn_file_actions_init(&actions);
        posix_spawn_file_actions_adddup2(&actions, output_[1], STDOUT_FILENO);
        posix_spawn_file_actions_adddup2(&actions, errors_[1], STDERR_FILENO);
        std::vector<std::string> words{program};
        words.insert(words.end(), arguments.begin(), arguments.end());
        std::vector<char*> argv;
        for (std::string& word : words) argv.push_back(word.data());
        argv.push_back(nullptr);
        const int failed = ::posix_spawnp(&pid_, program.c_str(), &actions, nullptr, argv.data(), environ);
        posix_spawn_file_actions_destroy(&actions);
        close_end(output_[1]);
        close_end(errors_[1]);
        if (failed != 0) {
            pid_ = 0;
            end();
            throw std::runtime_error(program.substr(program.rfind('/') + 1) + " is not there");
        }
    }
    ~Child() { end(); }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;

    /// Reads all until both streams end. False: it took too long.
    bool read_all(std::chrono::steady_clock::time_point until, std::string& output, std::string& errors) {
        while (output_[0] >= 0 || errors_[0] >= 0) {
            const auto left =
                std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
            if (left.count() <= 0) return false;
            std::array<pollfd, 2> polled{pollfd{output_[0], POLLIN, 0}, pollfd{errors_[0], POLLIN, 0}};
            if (::poll(polled.data(), polled.size(), static_cast<int>(left.count())) < 0) continue;
            if (polled[0].revents != 0) read_some(output_[0], output);
            if (polled[1].revents != 0) read_some(errors_[0], errors);
        }
        return true;
    }
    bool succeeded() {
        int status = 0;
        while (::waitpid(pid_, &status, 0) < 0 && errno == EINTR) continue;
        pid_ = 0;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
    }

private:
    static void open_pipe(std::array<int, 2>& ends) {
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw std::system_error(errno, std::generic_category(), "pipe");
    }
    static void close_end(int& fd) {
        if (fd >= 0) ::close(std::exchange(fd, -1));
    }
    static void read_some(int& fd, std::string& into) {
        std::array<char, 4096> bytes{};
        const ssize_t got = ::read(fd, bytes.data(), bytes.size());
        if (got > 0) {
            into.append(bytes.data(), static_cast<std::size_t>(got));
        } else if (got == 0 || errno != EINTR) {
            close_end(fd);
        }
    }
    void end() {
        for (int& fd : output_) close_end(fd);
        for (int& fd : errors_) close_end(fd);
        if (pid_ == 0) return;
        ::kill(pid_, SIGKILL);
        (void)succeeded();
    }

    pid_t pid_ = 0;
    std::array<int, 2> output_{-1, -1};
    std::array<int, 2> errors_{-1, -1};
};

std::string shortened(std::string text) {
    text = text.substr(0, text.find('\n'));
    if (text.size() > longest_failure) text = text.substr(0, longest_failure) + "...";
    return text;
}

}  // namespace

std::string run_program(const std::string& program, const std::vector<std::string>& arguments,
                        std::chrono::seconds limit) {
    Child child(program, arguments);
    std::string output;
    std::string errors;
    if (!child.read_all(std::chrono::steady_clock::now() + limit, output, errors)) {
        throw std::runtime_error("no end within " + std::to_string(limit.count()) + " s");
    }
    if (!child.succeeded()) throw std::runtime_error(errors.empty() ? "it failed" : shortened(errors));
    return output;
}

std::vector<std::string> filled_in(const std::vector<std::string>& arguments, const Surroundings& around) {
    std::vector<std::string> filled = arguments;
    const std::array<std::pair<std::string_view, const std::string*>, 4> names{{{"{url}", &around.tcp_url},
                                                                                {"{unix}", &around.unix_url},
                                                                                {"{tls}", &around.tls_url},
                                                                                {"{port}", &around.port}}};
    for (std::string& word : filled) {
        for (const auto& [name, value] : names) {
            if (const std::size_t at = word.find(name); at != std::string::npos) word.replace(at, name.size(), *value);
        }
    }
    return filled;
}

std::map<std::string, double> numbers_of(const std::string& output) {
    const std::size_t end = output.find_last_not_of('\n');
    const std::size_t begin = output.rfind('\n', end);
    const std::string line = output.substr(begin == std::string::npos ? 0 : begin + 1);
    std::map<std::string, double> values;
    const boost::json::value parsed = boost::json::parse(line);
    for (const auto& field : parsed.as_object()) {
        values[std::string(field.key())] = field.value().to_number<double>();
    }
    return values;
}

Outcome run_redis_benchmark(const Cell& cell, const Surroundings& around) {
    Outcome outcome;
    try {
        const std::string output = run_program(cell.program, filled_in(cell.arguments, around), start_and_end);
        // "GET ...","123456.78",average,min,"p50","p95","p99",max: milliseconds, after a line of headings
        std::vector<std::string> fields;
        std::istringstream line(output.substr(output.find('\n') + 1));
        for (std::string field; std::getline(line, field, ',');) {
            field.erase(std::remove(field.begin(), field.end(), '"'), field.end());
            fields.push_back(field);
        }
        outcome.values = {{"kops", std::stod(fields.at(1)) / 1000},
                          {"p50", std::stod(fields.at(4)) * 1000},
                          {"p99", std::stod(fields.at(6)) * 1000}};
    } catch (const std::exception& error) {
        outcome.failure = error.what();
    }
    return outcome;
}

Outcome run_cell(const Cell& cell, const Surroundings& around) {
    std::vector<std::string> arguments = filled_in(cell.arguments, around);
    arguments.insert(arguments.end(), {"--seconds", std::to_string(around.seconds)});
    // Some measure twice: alone, and beside others.
    const std::chrono::seconds limit = start_and_end + std::chrono::seconds(static_cast<long>(2 * around.seconds));
    Outcome outcome;
    try {
        outcome.values = numbers_of(run_program(around.folder + cell.program, arguments, limit));
    } catch (const std::exception& error) {
        outcome.failure = error.what();
    }
    return outcome;
}

}  // namespace bench
