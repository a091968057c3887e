// dispatch: an async call whose commands go to several nodes: each part of it is a call of its own.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <redoubt/dispatch/async_call.hpp>

#include "dispatch/gathering.hpp"

namespace redoubt::dispatch {

/// Lives with its call, on the lane.
class Scatter {
public:
    Scatter(AsyncCall& call, ReplySink& sink);
    ~Scatter();
    Scatter(const Scatter&) = delete;
    Scatter& operator=(const Scatter&) = delete;

    /// Sends what comes next; ends the call, and this with it, when everything has its answer.
    void send();
    void cancel(bool also_written);

private:
    class Part;
    bool make_joint(AsyncCall& call);
    void ended(Part& part);
    void abandoned(Part& part) noexcept;
    bool has(const Part* part) const noexcept;

    AsyncCall& call_;
    std::optional<JointSink> joint_;
    Gathering gathering_;
    CallOptions options_;       // of the parts: the call's, within the time that it has left
    std::vector<Part*> parts_;  // under way; each belongs to itself
    bool sending_ = false;
};

}  // namespace redoubt::dispatch
