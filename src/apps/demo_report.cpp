// apps: what the demo says: a line a step with its figure and its mark, or the same as JSON lines.
#include "apps/demo_report.hpp"

#include <chrono>
#include <cstdio>
#include <exception>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include "apps/output.hpp"

namespace redoubt::apps {
namespace {

constexpr std::size_t bar_width = 40;

std::string_view word(StepResult::Mark mark) {
    switch (mark) {
        case StepResult::Mark::passed: return "passed";
        case StepResult::Mark::failed: return "failed";
        default: return "skipped";
    }
}

std::string_view sign(StepResult::Mark mark) {
    switch (mark) {
        case StepResult::Mark::passed: return "[ ok ]";
        case StepResult::Mark::failed: return "[FAIL]";
        default: return "[skip]";
    }
}

}  // namespace

StepResult StepResult::passed(std::string figure) { return {Mark::passed, std::move(figure), {}, {}}; }

StepResult StepResult::failed(std::string expected, std::string got) {
    return {Mark::failed, {}, std::move(expected), std::move(got)};
}

StepResult StepResult::skipped(std::string why) { return {Mark::skipped, std::move(why), {}, {}}; }

StepResult StepResult::check(bool holds, std::string figure, std::string expected) {
    return holds ? passed(std::move(figure)) : failed(std::move(expected), std::move(figure));
}

DemoReport::DemoReport(bool json) : json_(json), terminal_(!json && ::isatty(STDOUT_FILENO) == 1) {}

bool DemoReport::step(std::string_view name, const std::function<StepResult()>& run) {
    StepResult result;
    try {
        result = run();
    } catch (const std::exception& failure) {
        result = StepResult::failed("no exception", describe(failure));
    }
    clear_bar();
    print(name, result);
    switch (result.mark) {
        case StepResult::Mark::passed: ++passed_; break;
        case StepResult::Mark::failed: ++failed_; break;
        case StepResult::Mark::skipped: ++skipped_; break;
    }
    return result.mark != StepResult::Mark::failed;
}

void DemoReport::print(std::string_view name, const StepResult& result) {
    const bool failed = result.mark == StepResult::Mark::failed;
    if (json_) {
        boost::json::object line{{"step", name}, {"result", word(result.mark)}};
        if (failed) {
            line["expected"] = result.expected;
            line["got"] = result.got;
        } else {
            line["figure"] = result.figure;
        }
        print_line(boost::json::serialize(line));
        return;
    }
    if (failed) {
        print_line(fmt::format("{} {}", sign(result.mark), name));
        print_line(fmt::format("           expected: {}", result.expected));
        print_line(fmt::format("           got:      {}", result.got));
    } else {
        print_line(fmt::format("{} {:<34} {}", sign(result.mark), name, result.figure));
    }
}

void DemoReport::attach(std::string_view name, const boost::json::object& object) {
    if (json_) {
        print_line(boost::json::serialize(boost::json::object{{std::string(name), object}}));
        return;
    }
    std::string text = "       ";
    for (const char c : pretty(object)) {
        text += c;
        if (c == '\n') text += "       ";
    }
    print_line(text);
}

void DemoReport::progress(std::size_t done, std::size_t total) {
    if (!terminal_) return;
    const std::size_t cells = total == 0 ? bar_width : done * bar_width / total;
    if (bar_drawn_ && cells == bar_cells_) return;  // drawing must not slow what is measured
    bar_drawn_ = true;
    bar_cells_ = cells;
    const std::string bar =
        fmt::format("\r       [{:#<{}}{:.<{}}] {:>3}%", "", cells, "", bar_width - cells, cells * 100 / bar_width);
    std::fwrite(bar.data(), 1, bar.size(), stdout);
    std::fflush(stdout);
}

void DemoReport::clear_bar() {
    if (!std::exchange(bar_drawn_, false)) return;
    std::fputs("\r\x1b[K", stdout);  // the line's rest goes
}

bool DemoReport::finish() {
    const double seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    const bool all = failed_ == 0 && passed_ > 0;
    if (json_) {
        print_line(boost::json::serialize(boost::json::object{
            {"summary", {{"passed", passed_}, {"failed", failed_}, {"skipped", skipped_}, {"seconds", seconds}}}}));
    } else {
        std::string skipped = skipped_ == 0 ? std::string() : fmt::format(", {} skipped", skipped_);
        print_line(fmt::format("\n{}: {} passed, {} failed{}, in {:.1f} s", all ? "PASSED" : "FAILED", passed_, failed_,
                               skipped, seconds));
    }
    return all;
}

}  // namespace redoubt::apps
