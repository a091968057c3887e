// bench: what all candidates share: their arguments, the measuring window, and the line of JSON they end with. Only the
// standard library, so that each candidate may be built against a Boost of its own.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/resource.h>

namespace bench {

using Clock = std::chrono::steady_clock;

/// `--name value ...`.
class Arguments {
public:
    Arguments(int count, char** words) {
        for (int i = 1; i + 1 < count; i += 2) values_[words[i]] = words[i + 1];
    }
    std::string text(const std::string& name, const std::string& otherwise = {}) const {
        const auto found = values_.find("--" + name);
        return found == values_.end() ? otherwise : found->second;
    }
    double number(const std::string& name, double otherwise) const {
        const std::string value = text(name);
        return value.empty() ? otherwise : std::stod(value);
    }
    std::size_t count(const std::string& name, std::size_t otherwise) const {
        const std::string value = text(name);
        return value.empty() ? otherwise : static_cast<std::size_t>(std::stoull(value));
    }

private:
    std::map<std::string, std::string> values_;
};

// The data: 16-byte keys, values of 64 bytes under `key:...` and of 4 KiB under `big:...`.
constexpr std::size_t key_count = 1000;
constexpr std::size_t small_value = 64;
constexpr std::size_t big_value = 4096;
constexpr std::size_t mget_keys = 100;  // and the commands of a pipeline

inline std::vector<std::string> make_keys(std::string_view kind) {
    std::vector<std::string> keys;
    for (std::size_t i = 0; i < key_count; ++i) {
        std::array<char, 17> text{};
        std::snprintf(text.data(), text.size(), "%.3s:%012zu", kind.data(), i);
        keys.emplace_back(text.data(), 16);
    }
    return keys;
}

/// What each operation does. `get4k` is a GET of the large values, `mget` one MGET of 100 small ones, `pipeline` one
/// pipeline of 100 GETs.
struct Workload {
    enum class Kind { get, set, mget, pipeline };
    Kind kind = Kind::get;
    std::vector<std::string> keys;
    std::size_t value_size = small_value;
    std::string value;

    explicit Workload(const std::string& name) : value_size(name == "get4k" ? big_value : small_value) {
        if (name == "set") kind = Kind::set;
        if (name == "mget") kind = Kind::mget;
        if (name == "pipeline") kind = Kind::pipeline;
        if (name != "set" && name != "mget" && name != "pipeline" && name != "get" && name != "get4k") {
            throw std::invalid_argument("unknown workload: " + name);
        }
        keys = make_keys(name == "get4k" ? "big" : "key");
        value.assign(value_size, 'v');
    }
    /// The key of a caller's n-th operation: each caller walks over all of them from a place of its own.
    const std::string& key(std::size_t caller, std::size_t n) const { return keys[(caller * 7919 + n) % keys.size()]; }
    void check(std::size_t size) const {
        if (size != value_size) throw std::runtime_error("a reply of the wrong size");
    }
};

enum class Phase : int { warming, measuring, done };

/// One thread's count, and the time that every eighth operation took.
class alignas(64) Tally {
public:
    explicit Tally(const std::atomic<Phase>& phase) : phase_(&phase) { samples_.reserve(1u << 20); }

    bool running() const { return phase_->load(std::memory_order_relaxed) != Phase::done; }
    class Timing {
        friend class Tally;
        Clock::time_point begin;
    };
    Timing begin() {
        Timing timing;
        if ((++begun_ & 7u) == 0) timing.begin = Clock::now();
        return timing;
    }
    void end(const Timing& timing) {
        operations_.store(operations_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
        if (timing.begin == Clock::time_point{} || phase_->load(std::memory_order_relaxed) != Phase::measuring) return;
        samples_.push_back(std::chrono::duration<float, std::micro>(Clock::now() - timing.begin).count());
    }
    void add(std::uint64_t operations) {
        operations_.store(operations_.load(std::memory_order_relaxed) + operations, std::memory_order_relaxed);
    }
    std::uint64_t operations() const { return operations_.load(std::memory_order_relaxed); }
    const std::vector<float>& samples() const { return samples_; }

private:
    const std::atomic<Phase>* phase_;
    std::atomic<std::uint64_t> operations_{0};
    std::uint64_t begun_ = 0;
    std::vector<float> samples_;
};

/// CPU time of this process, user and system, in microseconds.
inline double cpu_us() {
    rusage usage{};
    ::getrusage(RUSAGE_SELF, &usage);
    const auto us = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) * 1e6 + static_cast<double>(time.tv_usec);
    };
    return us(usage.ru_utime) + us(usage.ru_stime);
}

/// From the end of the warm-up to the end of the cell.
class Window {
public:
    static constexpr std::chrono::milliseconds warm_up{250};

    explicit Window(double seconds) : seconds_(seconds) {}
    std::atomic<Phase> phase{Phase::warming};
    std::chrono::duration<double> length() const { return std::chrono::duration<double>(seconds_); }

    void open(std::uint64_t operations) {
        operations_ = operations;
        cpu_ = cpu_us();
        begin_ = Clock::now();
        phase = Phase::measuring;
    }
    void close(std::uint64_t operations) {
        elapsed_ = std::chrono::duration<double>(Clock::now() - begin_).count();
        cpu_ = cpu_us() - cpu_;
        operations_ = operations - operations_;
        phase = Phase::done;
    }
    /// The line that the orchestrator reads.
    void print(std::vector<float> samples) const {
        const auto quantile = [&](double q) {
            if (samples.empty()) return 0.0;
            const auto at = static_cast<std::size_t>(q * static_cast<double>(samples.size() - 1));
            std::nth_element(samples.begin(), samples.begin() + static_cast<std::ptrdiff_t>(at), samples.end());
            return static_cast<double>(samples[at]);
        };
        const double operations = static_cast<double>(operations_);
        std::printf("{\"operations\":%.0f,\"kops\":%.4f,\"p50\":%.2f,\"p99\":%.2f,\"cpu\":%.4f}\n", operations,
                    operations / elapsed_ / 1000, quantile(0.50), quantile(0.99), cpu_ / std::max(operations, 1.0));
    }

private:
    double seconds_;
    std::uint64_t operations_ = 0;
    double cpu_ = 0;
    double elapsed_ = 1;
    Clock::time_point begin_{};
};

/// Runs a candidate's main: its failure is one line on stderr.
template <class Main>
int run_candidate(int count, char** words, Main main) {
    try {
        main(Arguments(count, words));
        return 0;
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
}

}  // namespace bench
