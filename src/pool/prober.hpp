// pool: brings an open node back: waits for the recovery time, then connects and sends PING until the breaker
// closes. No caller is needed, and none is spent.
#pragma once

#include <atomic>
#include <memory>

#include <boost/asio/any_io_executor.hpp>

#include "pool/identity.hpp"
#include "pool/node.hpp"

namespace redoubt::pool {

/// Lives on an executor; `wake` may be called from any thread.
class Prober : public std::enable_shared_from_this<Prober> {
public:
    /// `identity`: as whom it logs in; null: as the URL says.
    Prober(boost::asio::any_io_executor executor, std::shared_ptr<Node> node,
           std::shared_ptr<Identity> identity = nullptr);

    /// The breaker has opened. Does nothing while it is probing already.
    void wake();
    /// No further probe is begun; one that is under way ends by its own time-out.
    void stop();

private:
    struct Loop;
    boost::asio::any_io_executor executor_;
    std::shared_ptr<Node> node_;
    std::atomic<bool> running_{false};
    std::atomic<bool> stopped_{false};
    std::shared_ptr<Loop> loop_;
};

}  // namespace redoubt::pool
