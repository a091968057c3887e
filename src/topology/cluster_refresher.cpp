// topology: the refresher; see its header.
#include "topology/cluster_refresher.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

namespace redoubt::topology {
namespace {

constexpr std::string_view kind_names[] = {"ask", "adopt", "absent"};

}  // namespace

std::ostream& operator<<(std::ostream& out, const RefresherAction& action) {
    out << kind_names[static_cast<std::size_t>(action.kind)] << '(' << action.number;
    if (action.address.port != 0) out << ", " << to_text(action.address);
    if (!action.text.empty()) out << ", " << action.text;
    return out << ')';
}

ClusterRefresher::ClusterRefresher(Settings settings, std::function<double()> chance,
                                   std::function<bool(const NodeAddress&)> is_silent)
    : settings_(std::move(settings)),
      chance_(std::move(chance)),
      is_silent_(std::move(is_silent)),
      pause_(settings_.first_pause) {}

ClusterRefresher::Actions ClusterRefresher::on_time(TimePoint now) {
    Actions actions;
    if (!asking_ && now >= next_) begin(now, actions);
    return actions;
}

// Seeds at the back of the queue (the front of the list), so that they are asked when no known node answers.
void ClusterRefresher::begin(TimePoint now, Actions& actions) {
    to_ask_.assign(settings_.seeds.rbegin(), settings_.seeds.rend());
    if (map_) {
        std::vector<NodeAddress> known;
        for (const SlotMap::Node& node : map_->nodes()) {
            if (node.online) known.push_back(node.address);
        }
        // Anybody first, so that not all clients ask the same one.
        if (!known.empty()) {
            const auto first = static_cast<std::size_t>(chance_() * static_cast<double>(known.size()));
            std::rotate(known.begin(), known.begin() + static_cast<std::ptrdiff_t>(first % known.size()), known.end());
        }
        std::erase_if(to_ask_, [&](const NodeAddress& seed) {
            return std::find(known.begin(), known.end(), seed) != known.end();
        });
        to_ask_.insert(to_ask_.end(), known.rbegin(), known.rend());
    }
    // While a master hangs, its heir is not to be heard of after the whole patience with the one that hangs.
    if (is_silent_) std::stable_partition(to_ask_.begin(), to_ask_.end(), is_silent_);
    failures_.clear();
    again_ = false;
    asking_ = true;
    ask_next(now, actions);
}

void ClusterRefresher::ask_next(TimePoint now, Actions& actions) {
    if (!to_ask_.empty()) {
        asked_ = to_ask_.back();
        to_ask_.pop_back();
        actions.push_back({RefresherAction::Kind::ask, ++number_, asked_, {}});
        return;
    }
    asking_ = false;
    next_ = now + spread(pause_);
    pause_ = std::min(pause_ * 2, settings_.longest_pause);
    if (!map_) {
        RefresherAction& told = actions.emplace_back();
        told.kind = RefresherAction::Kind::absent;
        told.text = "no node of the Cluster gives its map: " + failures_;
    }
}

ClusterRefresher::Actions ClusterRefresher::on_map(std::size_t number, SlotMap map, TimePoint now, bool uneasy) {
    Actions actions;
    if (!asking_ || number != number_) return actions;
    asking_ = false;
    pause_ = settings_.first_pause;
    // While slots are uncovered a change is on its way.
    const bool soon = again_ || !map.uncovered().empty();
    next_ = now + spread(again_ ? settings_.hasty : soon ? settings_.first_pause : settings_.refresh);
    unease_ = uneasy ? std::clamp(unease_ * 2, settings_.first_pause, settings_.longest_unease) : Duration::zero();
    if (uneasy) next_ = std::min(next_, now + spread(unease_));
    if (map_ != map) {
        map_ = std::move(map);
        actions.push_back({RefresherAction::Kind::adopt, 0, {}, {}});
    }
    return actions;
}

ClusterRefresher::Actions ClusterRefresher::on_failed(std::size_t number, const std::string& why, TimePoint now) {
    Actions actions;
    if (!asking_ || number != number_) return actions;
    if (!failures_.empty()) failures_ += "; ";
    failures_ += to_text(asked_) + ": " + why;
    ask_next(now, actions);
    return actions;
}

ClusterRefresher::Actions ClusterRefresher::on_doubt(TimePoint now) {
    Actions actions;
    if (asking_) {
        again_ = true;  // the answer may be older than the doubt
        return actions;
    }
    // After a failure of all its pause holds; a fresh map is good for a moment.
    if (pause_ == settings_.first_pause) next_ = std::min(next_, now + spread(settings_.hasty));
    return on_time(now);
}

}  // namespace redoubt::topology
