// apps: the progress bar; see the header.
#include "apps/progress_bar.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include <fmt/format.h>
#include <unistd.h>

namespace redoubt::apps {
namespace {

constexpr auto between_drawings = std::chrono::milliseconds(100);

void write(std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
}

}  // namespace

std::string bar_line(double fraction, std::string_view text, std::size_t width) {
    const double share = std::clamp(fraction, 0.0, 1.0);
    const auto full = static_cast<std::size_t>(share * static_cast<double>(width));
    return fmt::format("[{}{}] {:3.0f}% {}", std::string(full, '#'), std::string(width - full, '.'), share * 100, text);
}

ProgressBar::ProgressBar() : terminal_(::isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
    if (drawn_) write("\r\x1b[K");
}

void ProgressBar::draw(double fraction, std::string_view text) {
    const TimePoint now = Clock::now();
    if (!terminal_ || now < next_) return;
    next_ = now + between_drawings;
    drawn_ = true;
    write("\r" + bar_line(fraction, text) + "\x1b[K");
}

}  // namespace redoubt::apps
