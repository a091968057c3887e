// apps: what the demo says: a line a step with its figure and its mark, or the same as JSON lines.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include <boost/json.hpp>

#include <redoubt/base/clock.hpp>

namespace redoubt::apps {

/// How a step went. A failed one says what was expected and what came.
struct StepResult {
    enum class Mark { passed, failed, skipped };
    Mark mark = Mark::passed;
    std::string figure;  ///< what was measured; of a skipped step, why
    std::string expected;
    std::string got;

    static StepResult passed(std::string figure);
    static StepResult failed(std::string expected, std::string got);
    static StepResult skipped(std::string why);
    /// Passed with `figure` when `holds`; else failed, and the figure is what came.
    static StepResult check(bool holds, std::string figure, std::string expected);
};

class DemoReport {
public:
    explicit DemoReport(bool json);

    /// Runs a step and prints its line. An exception is a failure. Returns whether it did not fail.
    bool step(std::string_view name, const std::function<StepResult()>& run);
    /// JSON that belongs to the step before: indented under its line.
    void attach(std::string_view name, const boost::json::object& object);
    /// Draws the bar, on a terminal only.
    void progress(std::size_t done, std::size_t total);
    /// Prints the summary and returns whether every step passed or was skipped.
    bool finish();

private:
    void print(std::string_view name, const StepResult& result);
    void clear_bar();

    bool json_;
    bool terminal_;
    bool bar_drawn_ = false;
    std::size_t bar_cells_ = 0;
    std::size_t passed_ = 0;
    std::size_t failed_ = 0;
    std::size_t skipped_ = 0;
    TimePoint started_ = Clock::now();
};

}  // namespace redoubt::apps
