// pool: a connection that is kept from one async operation to another, for what the server remembers of it (WATCH).
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <boost/asio/any_io_executor.hpp>

#include "base/fork_guard.hpp"

namespace redoubt::pool {

class Pool;
class Tenant;

/// The first operation that carries it leases a connection, which then waits for the second; the second goes there or
/// fails as `not_sent`, never to another connection, and there is no third. Operations do not overlap. When this is
/// destroyed, on any thread, the lease ends: the connection is closed unless it was marked as clean.
class Hold {
public:
    /// `keeper` keeps the executor's loop, if anybody has to.
    Hold(boost::asio::any_io_executor executor, std::shared_ptr<void> keeper) noexcept
        : keeper_(std::move(keeper)), executor_(std::move(executor)) {}
    ~Hold();
    Hold(const Hold&) = delete;
    Hold& operator=(const Hold&) = delete;

    /// Where the first operation has gone, and of which slot it was: the second goes there. On the executor.
    struct Way {
        Pool* pool = nullptr;
        Tenant* tenant = nullptr;
        std::uint16_t slot = 0;
    };
    const Way& way() const noexcept { return way_; }
    void set_way(const Way& way) noexcept { way_ = way; }

    /// Nothing is outstanding and no state was left behind on the connection; proved, not assumed. On the executor.
    void set_clean() noexcept { clean_ = true; }

    /// The connection, while it lasts. On the executor.
    class Kept {
    public:
        virtual void let_go(bool clean) = 0;

    protected:
        ~Kept() = default;
    };

private:
    friend class OwnWires;

    std::shared_ptr<void> keeper_;  // first, so that it goes last
    boost::asio::any_io_executor executor_;
    std::weak_ptr<Kept> kept_;
    const std::uint32_t generation_ = base::process_generation();
    Way way_;
    bool used_ = false;  // by its second operation
    bool clean_ = false;
};

}  // namespace redoubt::pool
