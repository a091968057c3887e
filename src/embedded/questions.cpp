// embedded: questions to servers; see the header.
#include "embedded/questions.hpp"

#include <chrono>
#include <exception>
#include <stdexcept>
#include <thread>

#include <fmt/format.h>

#include <redoubt/base/error.hpp>

#include "embedded/raw_connection.hpp"

namespace redoubt::embedded {
namespace {

constexpr Duration patience_of_one = 2s;
constexpr Duration between_looks = 10ms;

}  // namespace

std::vector<std::string> ask(const Place& place, std::initializer_list<std::string_view> words) {
    RawConnection connection = RawConnection::to_unix_socket(place.socket, patience_of_one);
    if (!place.password.empty()) {
        const std::string_view auth[] = {"AUTH", place.password};
        const std::string answer = connection.exchange(auth);
        if (!answer.starts_with("+OK")) throw std::runtime_error("the password is refused");
    }
    return strings_of_frame(connection.exchange({words.begin(), words.size()}));
}

std::string ask_one(const Place& place, std::initializer_list<std::string_view> words) {
    std::vector<std::string> answer = ask(place, words);
    return answer.empty() ? std::string() : std::move(answer.front());
}

void ask_or_raise(const Place& place, std::string_view step, std::initializer_list<std::string_view> words) {
    try {
        (void)ask(place, words);
    } catch (const std::exception& failure) {
        raise(Error::with_detail(ErrorKind::connection, Certainty::unknown, Stage::reply,
                                 fmt::format("embedded servers: {}: {}", step, failure.what())));
    }
}

std::string field_of(std::string_view text, std::string_view name) {
    for (std::size_t at = text.find(name); at != std::string_view::npos; at = text.find(name, at + 1)) {
        const bool begins = at == 0 || text[at - 1] == '\n';
        const std::string_view rest = text.substr(at + name.size());
        if (begins && rest.starts_with(':')) return std::string(rest.substr(1, rest.find_first_of("\r\n") - 1));
    }
    return {};
}

void wait_until(std::string_view what, Duration patience, const std::function<std::string()>& look) {
    const TimePoint deadline = Clock::now() + patience;
    for (;;) {
        std::string missing;
        try {
            missing = look();
        } catch (const std::exception& failure) {
            missing = failure.what();
        }
        if (missing.empty()) return;
        if (Clock::now() >= deadline) {
            raise(Error::with_detail(ErrorKind::timeout, Certainty::not_sent, Stage::connecting,
                                     fmt::format("embedded servers: no {} after {} ms: {}", what,
                                                 patience / std::chrono::milliseconds(1), missing)));
        }
        std::this_thread::sleep_for(between_looks);
    }
}

}  // namespace redoubt::embedded
