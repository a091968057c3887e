// bench: callers that are coroutines on one loop, in one measuring window. Works with any Boost.Asio.
#pragma once

#include <exception>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

#include "support/cell.hpp"

namespace bench {

/// Spawns `caller(i, tally)`, an awaitable that ends when `tally.running()` does, `callers` times; `at_end` is called
/// when the last has ended. The loop is the caller's to run.
template <class Caller, class End>
class CoroutineRun {
public:
    CoroutineRun(boost::asio::io_context& loop, std::size_t callers, double seconds, Caller caller, End at_end)
        : loop_(loop),
          timer_(loop),
          window_(seconds),
          tally_(window_.phase),
          left_(callers),
          callers_(callers),
          caller_(std::move(caller)),
          at_end_(std::move(at_end)) {}

    void start() {
        for (std::size_t i = 0; i < callers_; ++i) {
            boost::asio::co_spawn(loop_, caller_(i, tally_), [this](std::exception_ptr failed) {
                if (failed) {
                    failed_ = failed;
                    window_.phase = Phase::done;
                    timer_.cancel();
                }
                if (--left_ == 0) at_end_();
            });
        }
        timer_.expires_after(Window::warm_up);
        timer_.async_wait([this](const boost::system::error_code& cancelled) {
            if (cancelled) return;
            window_.open(tally_.operations());
            timer_.expires_after(std::chrono::duration_cast<std::chrono::nanoseconds>(window_.length()));
            timer_.async_wait([this](const boost::system::error_code& stopped) {
                if (!stopped) window_.close(tally_.operations());
            });
        });
    }
    void finish() const {
        if (failed_) std::rethrow_exception(failed_);
        window_.print(tally_.samples());
    }

private:
    boost::asio::io_context& loop_;
    boost::asio::steady_timer timer_;
    Window window_;
    Tally tally_;
    std::size_t left_;
    std::size_t callers_;
    Caller caller_;
    End at_end_;
    std::exception_ptr failed_;
};

}  // namespace bench
