// service: who may run scripts; see the header.
#include "service/script_access.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <utility>

#include <boost/asio/use_awaitable.hpp>

#include <redoubt/isolation/script_gate.hpp>
#include <redoubt/resp/read_reply.hpp>
#include <redoubt/service/execution.hpp>

#include "isolation/project_id.hpp"
#include "isolation/script_safety.hpp"
#include "resp/building.hpp"
#include "resp/command_rows.hpp"

namespace redoubt::service {
namespace {

// A server may be replaced by an older one while nobody looks.
constexpr auto believed_for = std::chrono::minutes(1);

Command<std::string> info_server() { return resp::Building<std::string>(resp::spec_of("INFO"), &read_reply); }

Error unpatched() {
    return Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission,
                     "scripts are refused: the server's version is not known to keep a script inside (CVE-2025-46818, "
                     "CVE-2025-67733); where a distribution has patched it, scripts_attested (REDIS_SCRIPTS_ATTESTED) "
                     "says so");
}

class Unconfined final : public isolation::ScriptGate {
public:
    std::optional<Error> refusal(TimePoint) override { return std::nullopt; }
    boost::asio::awaitable<std::optional<Error>> async_refusal(TimePoint) override { co_return std::nullopt; }
};

/// The project has a user of its own, so that the server holds; if it is patched.
class Confined final : public isolation::ScriptGate {
public:
    Confined(bool attested, std::shared_ptr<isolation::Project> own) : attested_(attested), own_(std::move(own)) {}

    std::optional<Error> refusal(TimePoint deadline) override {
        if (is_known()) return verdict();
        const Command<std::string> command = info_server();
        SingleReply<std::string> reply(command.reader());
        SinkOf<SingleReply<std::string>> sink(reply);
        if (auto error = own_->run(command, sink, until(deadline))) return error;
        return learn(reply.take());
    }
    boost::asio::awaitable<std::optional<Error>> async_refusal(TimePoint deadline) override {
        if (is_known()) co_return verdict();
        const Handle handle = Handle(own_).with(until(deadline));
        const result<std::string> info =
            co_await Async::start<ResultCompletion>(handle, info_server())(boost::asio::use_awaitable);
        if (!info) co_return info.error();
        co_return learn(*info);
    }

private:
    static CallOptions until(TimePoint deadline) {
        CallOptions options;
        options.deadline = std::max(deadline - Clock::now(), Duration::zero());
        return options;
    }
    bool is_known() const noexcept { return attested_ || Clock::now() < known_until_.load(std::memory_order_acquire); }
    std::optional<Error> verdict() const {
        return attested_ || safe_.load(std::memory_order_relaxed) ? std::nullopt : std::optional(unpatched());
    }
    std::optional<Error> learn(const std::string& info) {
        safe_.store(isolation::scripts_stay_inside(info), std::memory_order_relaxed);
        known_until_.store(Clock::now() + believed_for, std::memory_order_release);
        return verdict();
    }

    const bool attested_;
    std::shared_ptr<isolation::Project> own_;  // the library's, through which the server is asked
    std::atomic<TimePoint> known_until_{TimePoint::min()};
    std::atomic<bool> safe_{false};
};

}  // namespace

std::shared_ptr<isolation::ScriptGate> ScriptAccess::gate_of(
    std::string_view project, const std::function<std::shared_ptr<isolation::Project>()>& own) {
    if (config_.environment == Environment::development && config_.allow_unconfined_scripts) {
        if (!gate_) gate_ = std::make_shared<Unconfined>();
        return gate_;
    }
    if (config_.acl_users == AclUsers::off || !isolation::lists_project(config_.script_projects, project)) {
        return nullptr;
    }
    if (!gate_) gate_ = std::make_shared<Confined>(config_.scripts_attested, own());
    return gate_;
}

}  // namespace redoubt::service
