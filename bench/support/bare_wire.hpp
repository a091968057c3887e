// bench: GET on a bare async wire: no isolation, breaker, retry, deadline or pool above it. What the layers cost is the
// difference to this.
#pragma once

#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/async_result.hpp>
#include <boost/asio/deferred.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/recycling_allocator.hpp>

#include <redoubt/connection/operation.hpp>
#include <redoubt/redoubt.hpp>

#include "connection/async_wire.hpp"

namespace bench {

class BareWire final : public redoubt::connection::AsyncWire::Owner {
public:
    /// Connects to 127.0.0.1; RESP2, as the server starts.
    BareWire(boost::asio::io_context& loop, std::uint16_t port);
    ~BareWire();

    /// Completes with `void(std::optional<std::string>)`. The key lives until then.
    auto get(std::string_view key) {
        return boost::asio::async_initiate<const boost::asio::deferred_t, void(std::optional<std::string>)>(
            [this](auto handler, std::string_view name) {
                Get<decltype(handler)>::begin(std::move(handler), *this, name);
            },
            boost::asio::deferred, key);
    }
    void close();

private:
    template <class Handler>
    class Get final : public redoubt::Operation {
    public:
        using Allocator = boost::asio::associated_allocator_t<Handler, boost::asio::recycling_allocator<void>>;
        using NodeAllocator = typename std::allocator_traits<Allocator>::template rebind_alloc<Get>;

        static void begin(Handler&& handler, BareWire& wire, std::string_view key) {
            NodeAllocator allocator(
                boost::asio::get_associated_allocator(handler, boost::asio::recycling_allocator<void>()));
            Get* const place = std::allocator_traits<NodeAllocator>::allocate(allocator, 1);
            wire.submit(*::new (static_cast<void*>(place)) Get(std::move(handler), key));
        }
        std::size_t encoded_bound() const noexcept override { return redoubt::encoded_bound(command_, no_prefix()); }
        char* encode(char* out) const noexcept override { return redoubt::encode(command_, no_prefix(), out); }
        bool on_reply(std::string_view frame) override {
            redoubt::ReplyCursor cursor(frame);
            (void)command_.reader()(cursor, no_prefix(), value_);
            return true;
        }
        void on_complete() override {
            Handler handler(std::move(handler_));
            std::optional<std::string> value(std::move(value_));
            NodeAllocator allocator(
                boost::asio::get_associated_allocator(handler, boost::asio::recycling_allocator<void>()));
            this->~Get();
            std::allocator_traits<NodeAllocator>::deallocate(allocator, this, 1);
            std::move(handler)(std::move(value));
        }
        void on_failure(const redoubt::Error&, redoubt::FailureSource) override { std::abort(); }

    private:
        Get(Handler&& handler, std::string_view key) : handler_(std::move(handler)), command_(redoubt::cmd::get(key)) {
            set_timing(redoubt::TimePoint::max(), std::chrono::hours(1));  // never comes
        }
        ~Get() override = default;

        Handler handler_;
        decltype(redoubt::cmd::get("")) command_;
        std::optional<std::string> value_;
    };

    static const redoubt::KeyPrefix& no_prefix() noexcept;
    void submit(redoubt::Operation& operation);
    void on_wire_lost(redoubt::connection::AsyncWire& wire, const redoubt::Error& error) override;

    std::shared_ptr<redoubt::connection::AsyncWire> wire_;
};

}  // namespace bench
