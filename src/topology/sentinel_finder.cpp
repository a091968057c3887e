// topology: the finder; see its header.
#include "topology/sentinel_finder.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

#include <redoubt/resp/reply.hpp>

#include "base/text_values.hpp"

namespace redoubt::topology {
namespace {

constexpr std::string_view kind_names[] = {"connect", "ask", "verify", "move", "absent"};

}  // namespace

std::ostream& operator<<(std::ostream& out, const FinderAction& action) {
    out << kind_names[static_cast<std::size_t>(action.kind)] << '(' << action.index;
    if (action.address.port != 0) out << ", " << to_text(action.address);
    if (!action.text.empty()) out << ", " << action.text;
    return out << ')';
}

SentinelFinder::SentinelFinder(Settings settings, std::function<double()> chance)
    : settings_(std::move(settings)),
      chance_(std::move(chance)),
      sentinels_(settings_.sentinels.size()),
      haste_(settings_.hasty) {}

SentinelFinder::Actions SentinelFinder::start(TimePoint now) { return on_time(now); }

SentinelFinder::Actions SentinelFinder::on_time(TimePoint now) {
    Actions actions;
    for (std::size_t i = 0; i != sentinels_.size(); ++i) {
        Sentinel& one = sentinels_[i];
        if (one.link != Link::resting || now < one.connect_at) continue;
        one.link = Link::connecting;
        actions.push_back({FinderAction::Kind::connect, i, {}, {}});
    }
    const bool asking =
        std::any_of(sentinels_.begin(), sentinels_.end(), [](const Sentinel& one) { return one.asked; });
    if (asking || verifying_ || now < next_round_) return actions;
    last_round_ = now;
    next_round_ = TimePoint::max();  // set when it has ended
    for (std::size_t i = 0; i != sentinels_.size(); ++i) {
        if (sentinels_[i].link == Link::connected) ask(i, actions);
    }
    end_round(now, actions);
    return actions;
}

void SentinelFinder::ask(std::size_t sentinel, Actions& actions) {
    sentinels_[sentinel].asked = true;
    actions.push_back({FinderAction::Kind::ask, sentinel, {}, {}});
}

SentinelFinder::Actions SentinelFinder::on_connected(std::size_t sentinel, TimePoint /*now*/) {
    Actions actions;
    Sentinel& one = sentinels_[sentinel];
    one.link = Link::connected;
    one.failures = 0;
    one.report.reset();
    one.trouble = "has not answered yet";
    ask(sentinel, actions);
    return actions;
}

SentinelFinder::Actions SentinelFinder::on_lost(std::size_t sentinel, const std::string& why, TimePoint now) {
    Actions actions;
    Sentinel& one = sentinels_[sentinel];
    const Duration longest =
        std::min<Duration>(settings_.reconnect * (1u << std::min(one.failures, 16u)), settings_.least_reconnect);
    ++one.failures;
    one = {Link::resting, now + spread(longest), one.failures, true, false, false, std::nullopt, why};
    // What the others say may count for more now.
    judge(now, actions);
    end_round(now, actions);
    return actions;
}

SentinelFinder::Actions SentinelFinder::on_report(std::size_t sentinel, const std::optional<MasterReport>& report,
                                                  TimePoint now) {
    Actions actions;
    Sentinel& one = sentinels_[sentinel];
    one.asked = false;
    one.tried = true;
    one.report = report;
    one.trouble = report ? "" : "does not know a master of that name";
    if (std::exchange(one.again, false)) ask(sentinel, actions);
    judge(now, actions);
    end_round(now, actions);
    return actions;
}

SentinelFinder::Actions SentinelFinder::on_news(std::size_t sentinel, TimePoint /*now*/) {
    Actions actions;
    Sentinel& one = sentinels_[sentinel];
    if (one.link != Link::connected) return actions;
    if (one.asked) {
        one.again = true;  // its answer may be older than the news
    } else {
        ask(sentinel, actions);
    }
    return actions;
}

SentinelFinder::Actions SentinelFinder::on_doubt(TimePoint now) {
    const bool new_doubt = !in_doubt(now);
    doubt_until_ = now + settings_.doubt;
    if (new_doubt) haste_ = settings_.hasty;
    if (next_round_ != TimePoint::max()) next_round_ = std::min(next_round_, std::max(now, last_round_ + haste_));
    return on_time(now);
}

// The report of the highest epoch, and among such the one that we hold to anyway. What is older than what we know is
// believed only if most say the same.
std::optional<MasterReport> SentinelFinder::believed() const {
    const MasterReport* best = nullptr;
    for (const Sentinel& one : sentinels_) {
        if (!one.report) continue;
        const bool better = best == nullptr || one.report->epoch > best->epoch ||
                            (one.report->epoch == best->epoch && one.report->address == master_);
        if (better) best = &*one.report;
    }
    if (best == nullptr) return std::nullopt;
    if (best->epoch >= epoch_) return *best;
    const auto same = std::count_if(sentinels_.begin(), sentinels_.end(), [&](const Sentinel& one) {
        return one.report && one.report->address == best->address;
    });
    if (static_cast<std::size_t>(same) * 2 > sentinels_.size()) return *best;
    return std::nullopt;
}

void SentinelFinder::judge(TimePoint /*now*/, Actions& actions) {
    const std::optional<MasterReport> report = believed();
    if (!report) return;
    if (master_ == report->address) {
        epoch_ = report->epoch;
        return;
    }
    if (verifying_ && verifying_->of == *report) return;
    verifying_ = {++verifications_, *report};
    actions.push_back({FinderAction::Kind::verify, verifications_, report->address, {}});
}

SentinelFinder::Actions SentinelFinder::on_verified(std::size_t verification, const std::string& why_not,
                                                    TimePoint now) {
    Actions actions;
    if (!verifying_ || verifying_->number != verification) return actions;
    const MasterReport of = std::exchange(verifying_, std::nullopt)->of;
    if (why_not.empty()) {
        master_ = of.address;
        epoch_ = of.epoch;
        doubt_until_ = TimePoint::min();
        refusal_.clear();
        // What others said before does not count against it, should whoever named it be lost.
        for (Sentinel& one : sentinels_) {
            if (one.report && one.report->epoch < of.epoch) one.report.reset();
        }
        actions.push_back({FinderAction::Kind::move, 0, of.address, {}});
    } else {
        refusal_ = to_text(of.address) + ", whom the Sentinels name, " + why_not;
        // Asked again before it is verified again.
        for (Sentinel& one : sentinels_) {
            if (one.report == of) one.report.reset();
        }
        doubt_until_ = std::max(doubt_until_, now + settings_.doubt);
    }
    end_round(now, actions);
    return actions;
}

// When nothing is under way any more: says that nobody knows the master, if so, and sets the time of the next round.
void SentinelFinder::end_round(TimePoint now, Actions& actions) {
    bool connecting = false;
    bool all_tried = true;
    for (const Sentinel& one : sentinels_) {
        if (one.asked) return;
        connecting = connecting || one.link == Link::connecting;
        all_tried = all_tried && one.tried;
    }
    if (verifying_) return;
    const bool whole_round = next_round_ == TimePoint::max();
    if (in_doubt(now)) {
        next_round_ = std::min(next_round_, now + spread(haste_));
        if (whole_round) haste_ = std::min(haste_ * 2, settings_.least_hasty);
    } else {
        next_round_ = now + spread(settings_.refresh);
        haste_ = settings_.hasty;
    }
    if (master_ || connecting || !all_tried) return;
    std::string text = "no Sentinel leads to the master '" + settings_.master_name + "': ";
    if (!refusal_.empty()) text += refusal_ + "; ";
    for (std::size_t i = 0; i != sentinels_.size(); ++i) {
        if (i != 0) text += "; ";
        text += to_text(settings_.sentinels[i]) + ": ";
        text += sentinels_[i].trouble.empty() ? "has answered" : sentinels_[i].trouble;
        sentinels_[i].tried = sentinels_[i].link == Link::connected;
    }
    actions.push_back({FinderAction::Kind::absent, 0, {}, std::move(text)});
}

TimePoint SentinelFinder::wakes_at() const noexcept {
    TimePoint at = TimePoint::max();
    const bool busy =
        verifying_ || std::any_of(sentinels_.begin(), sentinels_.end(), [](const Sentinel& one) { return one.asked; });
    if (!busy && connected() != 0) at = next_round_;
    for (const Sentinel& one : sentinels_) {
        if (one.link == Link::resting) at = std::min(at, one.connect_at);
    }
    return at;
}

std::size_t SentinelFinder::connected() const noexcept {
    return static_cast<std::size_t>(std::count_if(sentinels_.begin(), sentinels_.end(),
                                                  [](const Sentinel& one) { return one.link == Link::connected; }));
}

std::optional<MasterReport> read_master_report(std::string_view address_frame, std::string_view master_frame) {
    ReplyCursor address(address_frame);
    const ReplyNode pair = address.next();
    if (pair.type != RespType::array || pair.children() != 2) return std::nullopt;
    MasterReport report;
    report.address.host = address.next().text;
    const auto port = base::parse_unsigned<std::uint16_t>(address.next().text);
    if (report.address.host.empty() || !port || *port == 0) return std::nullopt;
    report.address.port = *port;
    ReplyCursor about(master_frame);
    const ReplyNode fields = about.next();
    if (fields.type != RespType::array && fields.type != RespType::map) return std::nullopt;
    for (std::int64_t i = 0; i + 1 < fields.children(); i += 2) {
        const ReplyNode name = about.next();
        const ReplyNode value = about.peek();
        about.skip();
        if (name.text != "config-epoch") continue;
        const auto epoch = base::parse_unsigned<std::uint64_t>(value.text);
        if (!epoch) return std::nullopt;
        report.epoch = *epoch;
    }
    return report;
}

bool is_about_master(std::string_view message, std::string_view master_name) {
    for (;;) {
        const auto space = message.find(' ');
        // +switch-master begins with the name; of a replica it stands behind the @.
        if (message.substr(0, space) == master_name) return true;
        const auto at = message.find(" @ ");
        if (at == std::string_view::npos) return false;
        message.remove_prefix(at + 3);
    }
}

}  // namespace redoubt::topology
