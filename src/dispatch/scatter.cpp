// dispatch: async calls in parts; see the header.
#include "dispatch/scatter.hpp"

#include <algorithm>
#include <utility>

#include "dispatch/dispatcher.hpp"
#include "dispatch/first_key.hpp"

namespace redoubt::dispatch {

/// Tried again and followed by itself, as every call is; told to nobody.
class Scatter::Part final : public AsyncCall, private AsyncCall::Receiver {
public:
    Part(Scatter& whole, Gathering::Part commands, std::string_view name)
        : AsyncCall(whole.call_.dispatcher_, whole.call_.reader_.prefix(), &whole.options_, name),
          whole_(whole),
          of_(std::move(commands)),
          answers_(whole.gathering_, of_) {
        this->commands() = whole.call_.commands_.select(of_);
        this->commands().set_slot(whole.gathering_.slot_of(of_));
        set_receiver(*this);
    }
    bool on_reply(std::string_view frame) override { return reader().take(frame); }

private:
    ReadOutcome read(std::uint32_t index, ReplyCursor& cursor, const KeyPrefix& prefix) override {
        return answers_.read(index, cursor, prefix);
    }
    void fail(std::uint32_t index, const Error& error) override { answers_.fail(index, of_command(index, error)); }
    std::string* long_string(std::uint32_t index, std::size_t size) override {
        return answers_.long_string(index, size);
    }
    void finish(const Error* error, Ending /*the whole is posted*/) override {
        if (error != nullptr) whole_.gathering_.fail_rest(of_, answers_.answered(), *error);
        whole_.ended(*this);  // it may be gone afterwards
        delete this;
    }
    void destroy() noexcept override {
        whole_.abandoned(*this);
        delete this;
    }

    Scatter& whole_;
    const Gathering::Part of_;
    PartSink answers_;
};

Scatter::Scatter(AsyncCall& call, ReplySink& sink)
    : call_(call),
      gathering_(call.commands_, make_joint(call) ? static_cast<ReplySink&>(*joint_) : sink),
      options_(call.options() != nullptr ? *call.options() : CallOptions{}) {}

bool Scatter::make_joint(AsyncCall& call) {
    if (call.commands_.joint() == nullptr) return false;
    joint_.emplace(call.commands_, [&dispatcher = call.dispatcher_](std::uint32_t slot) {
        return dispatcher.router().shard_from(slot);
    });
    return true;
}

Scatter::~Scatter() = default;

bool Scatter::has(const Part* part) const noexcept {
    return std::find(parts_.begin(), parts_.end(), part) != parts_.end();
}

void Scatter::send() {
    const auto node_of = [this](std::uint16_t slot) -> const void* {
        return call_.dispatcher_.route(false, slot).pool;
    };
    for (;;) {
        std::vector<Gathering::Part> next = gathering_.next(node_of);
        if (next.empty()) return call_.end_scattered(joint_ ? &*joint_ : nullptr, gathering_.unconfirmed());
        options_.deadline = std::max(call_.state_.deadline() - Clock::now(), Duration::zero());
        for (Gathering::Part& commands : next) {
            NamesPosition at;
            const bool alone = commands.size() == 1;
            const std::string_view name =
                alone ? command_name(call_.commands_.bytes(), commands.front(), at) : std::string_view();
            parts_.push_back(new Part(*this, std::move(commands), name.empty() ? call_.name_ : name));
        }
        // Each may end at once, and no part's end may end the whole meanwhile.
        sending_ = true;
        for (Part* const part : std::vector<Part*>(parts_)) {
            if (has(part)) part->start_on_lane();
        }
        sending_ = false;
        if (!parts_.empty()) return;
    }
}

void Scatter::ended(Part& part) {
    std::erase(parts_, &part);
    if (parts_.empty() && !sending_) send();
}

// The loop is being destroyed: nobody is told.
void Scatter::abandoned(Part& part) noexcept {
    std::erase(parts_, &part);
    if (parts_.empty()) call_.abandon();
}

void Scatter::cancel(bool also_written) {
    gathering_.stop();
    sending_ = true;
    for (Part* const part : std::vector<Part*>(parts_)) {
        if (has(part)) part->cancel(also_written);
    }
    sending_ = false;
    if (parts_.empty()) send();
}

}  // namespace redoubt::dispatch
