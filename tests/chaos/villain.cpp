// tests: what is done to the server of the chaos; see the header.
#include "chaos/villain.hpp"

#include <algorithm>
#include <initializer_list>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include "embedded/raw_connection.hpp"

namespace redoubt::chaos {

using embedded::RawConnection;
using std::chrono::milliseconds;

namespace {

constexpr auto start_patience = std::chrono::seconds(60);
constexpr auto slow_answer = milliseconds(20);

/// One command past the library, on a connection of its own.
std::string ask(const EmbeddedServer& server, std::initializer_list<std::string_view> words) {
    return RawConnection::to_unix_socket(server.socket_path(), std::chrono::seconds(10))
        .exchange({words.begin(), words.size()});
}

std::vector<std::string> client_ids(const EmbeddedServer& server) {
    const std::string list = ask(server, {"CLIENT", "LIST"});
    std::vector<std::string> ids;
    for (std::size_t at = list.find("id="); at != std::string::npos; at = list.find("\nid=", at + 1)) {
        const std::size_t from = list.find('=', at) + 1;
        ids.push_back(list.substr(from, list.find(' ', from) - from));
    }
    return ids;
}

}  // namespace

std::string_view to_string(ServerFault fault) noexcept {
    switch (fault) {
        case ServerFault::kill: return "SIGKILL and restart";
        case ServerFault::restart: return "SIGTERM and restart";
        case ServerFault::stop: return "SIGSTOP and SIGCONT";
        case ServerFault::client_pause: return "CLIENT PAUSE";
        case ServerFault::client_kill: return "CLIENT KILL of one";
        case ServerFault::all_clients_kill: return "CLIENT KILL of all";
    }
    return "?";
}

ServerSchedule::Step ServerSchedule::next() {
    Step step;
    const std::uint32_t chance = random_.below(100);
    std::uint32_t most = 0;
    if (chance < 30) {
        step.fault = ServerFault::kill;
        most = 400;
    } else if (chance < 40) {
        step.fault = ServerFault::restart;
        most = 400;
    } else if (chance < 60) {
        step.fault = ServerFault::stop;
        most = 900;  // some are longer than an attempt may take
    } else if (chance < 78) {
        step.fault = ServerFault::client_pause;
        most = 600;
    } else {
        step.fault = chance < 93 ? ServerFault::client_kill : ServerFault::all_clients_kill;
    }
    step.gap_ms = random_.between(100, 900);
    step.milliseconds = random_.below(most + 1);
    step.pick = random_.below(1u << 30u);
    return step;
}

std::string to_string(const ServerSchedule::Step& step) {
    return fmt::format("after {:>4} ms  {:<19} {:>4} ms, pick {:08x}", step.gap_ms, to_string(step.fault),
                       step.milliseconds, step.pick);
}

void Villain::run_until(TimePoint end) {
    for (;;) {
        const ServerSchedule::Step step = schedule_.next();
        const TimePoint due = Clock::now() + milliseconds(step.gap_ms);
        if (due >= end) break;
        std::this_thread::sleep_until(due);
        ++injected_[static_cast<std::size_t>(step.fault)];
        perform(step);
    }
    std::this_thread::sleep_until(end);
}

void Villain::perform(const ServerSchedule::Step& step) {
    const auto pause = milliseconds(step.milliseconds);
    switch (step.fault) {
        case ServerFault::kill:
        case ServerFault::restart:
            step.fault == ServerFault::kill ? server_.kill() : server_.stop();
            std::this_thread::sleep_for(pause);
            server_.restart_without_waiting();
            return come_back();
        case ServerFault::stop:
            server_.pause();
            std::this_thread::sleep_for(pause);
            return server_.resume();
        case ServerFault::client_pause:
            (void)ask(server_,
                      {"CLIENT", "PAUSE", std::to_string(step.milliseconds), step.pick % 2 == 0 ? "ALL" : "WRITE"});
            return std::this_thread::sleep_for(pause);
        case ServerFault::client_kill: {
            const std::vector<std::string> ids = client_ids(server_);
            if (!ids.empty())
                (void)ask(server_, {"CLIENT", "KILL", "ID", ids[step.pick % ids.size()], "SKIPME", "yes"});
            return;
        }
        case ServerFault::all_clients_kill:
            (void)ask(server_, {"CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"});
            return;
    }
}

// A server that answers others as slowly is not one that the library is slow to find: its disk makes it wait, say.
void Villain::come_back() {
    TimePoint answers = wait_for_pong(server_);
    const TimePoint limit = answers + start_patience;
    const auto redis = observed_.get_connection("recovery").with({.deadline = milliseconds(200), .retries = 0});
    RawConnection control = RawConnection::to_unix_socket(server_.socket_path(), start_patience);
    constexpr std::array<std::string_view, 1> ping{"PING"};
    std::string why;
    for (auto found = redis.try_ping(); !found; found = redis.try_ping()) {
        why = found.error().message();
        if (Clock::now() > limit) throw std::runtime_error("the library does not find the server again: " + why);
        std::this_thread::sleep_for(milliseconds(1));
        const TimePoint asked = Clock::now();
        (void)control.exchange(ping);
        if (Clock::now() - asked < slow_answer) continue;
        answers = Clock::now();
        ++slow_answers_;
    }
    recoveries_.push_back(Clock::now() - answers);
    if (recoveries_.back() >= *std::max_element(recoveries_.begin(), recoveries_.end())) why_worst_ = why;
}

std::size_t connections_of(const EmbeddedServer& server) { return client_ids(server).size() - 1; }

TimePoint wait_for_pong(const EmbeddedServer& server) {
    const TimePoint limit = Clock::now() + start_patience;
    while (Clock::now() < limit) {
        try {
            if (ask(server, {"PING"}) == "+PONG\r\n") return Clock::now();
        } catch (const std::exception&) {
            // It does not listen yet.
        }
        std::this_thread::sleep_for(milliseconds(1));
    }
    throw std::runtime_error("the server does not come back");
}

}  // namespace redoubt::chaos
