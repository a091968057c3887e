// base: the one clock of deadlines, time-outs and breakers. Pure machines never read it; they are told the time.
#pragma once

#include <chrono>

namespace redoubt {

using Clock = std::chrono::steady_clock;
using TimePoint = Clock::time_point;
using Duration = Clock::duration;

}  // namespace redoubt
