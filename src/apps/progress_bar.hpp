// apps: a progress bar on standard error, on a terminal only.
#pragma once

#include <string>
#include <string_view>

#include <redoubt/base/clock.hpp>

namespace redoubt::apps {

/// The line of the bar, `width` columns for the bar itself: `[#####.....]  50% text`.
std::string bar_line(double fraction, std::string_view text, std::size_t width = 30);

/// Drawn over itself ten times a second at most, and wiped when it ends. Draws nothing where standard error is no terminal.
class ProgressBar {
public:
    ProgressBar();
    ~ProgressBar();
    ProgressBar(const ProgressBar&) = delete;
    ProgressBar& operator=(const ProgressBar&) = delete;
    void draw(double fraction, std::string_view text);

private:
    bool terminal_;
    bool drawn_ = false;
    TimePoint next_ = TimePoint::min();
};

}  // namespace redoubt::apps
