// isolation: the administrator's connection; see the header. Not on any fast path: clarity first.
#include "isolation/acl_link.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include <fmt/format.h>
#include <poll.h>

#include <redoubt/resp/read_reply.hpp>

#include "resp/scanner.hpp"

namespace redoubt::isolation {
namespace {

using connection::IoResult;
using connection::IoStatus;

std::string encoded(const std::vector<AclLink::Words>& commands) {
    std::string out;
    for (const AclLink::Words& words : commands) {
        fmt::format_to(std::back_inserter(out), "*{}\r\n", words.size());
        for (const std::string& word : words)
            fmt::format_to(std::back_inserter(out), "${}\r\n{}\r\n", word.size(), word);
    }
    return out;
}

Error closed_error() {
    return Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "the service is closed");
}

}  // namespace

AclLink::AclLink(connection::SessionSettings session, std::shared_ptr<const connection::TlsContext> tls,
                 Duration connection_timeout, std::shared_ptr<const StopSignal> stop)
    : session_(std::move(session)),
      tls_(std::move(tls)),
      connection_timeout_(connection_timeout),
      stop_(std::move(stop)),
      endpoint_(session_.target.endpoint()) {}

bool AclLink::wait(int fd, short events, TimePoint until) const {
    std::array<pollfd, 2> watched{pollfd{fd, events, 0}, pollfd{stop_->fd(), POLLIN, 0}};
    for (;;) {
        if (stop_->stopped()) return false;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(until - Clock::now()).count();
        const int ready =
            ::poll(watched.data(), watched.size(), static_cast<int>(std::clamp<std::int64_t>(left, 0, 1'000'000)));
        if (ready > 0 && watched[0].revents != 0) return true;
        if (ready < 0 && errno != EINTR) return false;
        if (ready == 0 && Clock::now() >= until) return false;
    }
}

std::optional<Error> AclLink::connect(TimePoint deadline) {
    known_.clear();
    connection::Dialer dialer(session_, tls_.get(), std::min(deadline, Clock::now() + connection_timeout_));
    for (;;) {
        switch (dialer.step(Clock::now())) {
            case connection::Dialer::State::ready: transport_ = dialer.take(); return std::nullopt;
            case connection::Dialer::State::failed: return dialer.error();
            case connection::Dialer::State::waiting: break;
        }
        (void)wait(dialer.wait_fd(), dialer.wait_events(), dialer.wait_until());
        if (stop_->stopped()) {
            return closed_error();
        }
    }
}

Error AclLink::lost(ErrorKind kind, std::string why) {
    transport_.close();
    return Error::with_detail(kind, Certainty::unknown, Stage::sent, std::move(why));
}

result<std::vector<Value>> AclLink::exchange(const std::vector<Words>& commands, TimePoint deadline) {
    if (stop_->stopped()) return closed_error();
    if (!transport_.is_open() || !transport_.is_quiet()) {
        transport_.close();
        if (std::optional<Error> error = connect(deadline)) return *error;
    }
    return exchange_once(commands, deadline);
}

result<std::vector<Value>> AclLink::exchange_once(const std::vector<Words>& commands, TimePoint deadline) {
    const std::string output = encoded(commands);
    std::string_view unsent = output;
    std::string input;
    resp::ReplyScanner scanner(session_.reply_limits);
    std::vector<Value> replies;
    const auto io_failed = [&](const IoResult& io) { return lost(ErrorKind::connection, transport_.describe(io)); };
    while (replies.size() < commands.size()) {
        // Both directions at once: the answers to the first commands may be more than the socket holds.
        std::array<char, 16384> chunk{};
        bool moved = false;
        short events = POLLIN;
        if (!unsent.empty()) {
            const IoResult written = transport_.write(unsent);
            if (written.status == IoStatus::ok) {
                unsent.remove_prefix(written.bytes);
                moved = true;
            } else if (written.status == IoStatus::want_read || written.status == IoStatus::want_write) {
                events = POLLIN | POLLOUT;
            } else {
                return io_failed(written);
            }
        }
        const IoResult got = transport_.read(chunk);
        if (got.status == IoStatus::ok) {
            input.append(chunk.data(), got.bytes);
            moved = true;
        } else if (got.status != IoStatus::want_read && got.status != IoStatus::want_write) {
            return io_failed(got);
        }
        while (!input.empty() && replies.size() < commands.size()) {
            const auto status = scanner.scan(input);
            if (status == resp::ReplyScanner::Status::need_more) break;
            if (status == resp::ReplyScanner::Status::error) {
                return lost(ErrorKind::connection, std::string(scanner.error()));
            }
            ReplyCursor cursor(std::string_view(input).substr(0, scanner.size()));
            Value value;
            if (!read_reply(cursor, KeyPrefix{}, value)) {
                return lost(ErrorKind::connection, "the reply cannot be read");
            }
            input.erase(0, scanner.size());
            replies.push_back(std::move(value));
        }
        if (moved || replies.size() == commands.size()) continue;
        if (wait(transport_.fd(), events, deadline)) continue;
        if (stop_->stopped()) return lost(ErrorKind::connection, "the service is closed");
        return lost(ErrorKind::timeout, "no answer from the server in time");
    }
    return replies;
}

result<std::vector<std::string>> AclLink::known_commands(TimePoint deadline) {
    if (!known_.empty() && transport_.is_open() && transport_.is_quiet()) return known_;
    const result<std::vector<Value>> listed = exchange({{"COMMAND", "LIST"}}, deadline);
    if (!listed) return listed.error();
    std::vector<std::string> names;
    for (const Value& name : listed->front().elements) names.push_back(name.text);
    std::sort(names.begin(), names.end());
    if (!std::binary_search(names.begin(), names.end(), "acl|dryrun")) {
        return Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::connecting,
                         "the server has no ACL DRYRUN: acl_users needs Redis 7.0 or Valkey 7.2 at least, and an "
                         "administrator who may use COMMAND LIST");
    }
    known_ = std::move(names);
    return known_;
}

}  // namespace redoubt::isolation
