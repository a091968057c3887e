// bench: the bare wire; see its header.
#include "support/bare_wire.hpp"

#include <cstring>
#include <stdexcept>

#include <arpa/inet.h>
#include <poll.h>

namespace bench {

namespace connection = redoubt::connection;

BareWire::BareWire(boost::asio::io_context& loop, std::uint16_t port) {
    connection::Address address;
    sockaddr_in loopback{};
    loopback.sin_family = AF_INET;
    loopback.sin_port = htons(port);
    loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    std::memcpy(&address.storage, &loopback, sizeof loopback);
    address.size = sizeof loopback;

    connection::Transport transport;
    connection::IoResult connected = transport.connect(address);
    while (connected.status == connection::IoStatus::want_write) {
        pollfd waited{transport.fd(), POLLOUT, 0};
        ::poll(&waited, 1, 1000);
        connected = transport.finish_connect();
    }
    if (connected.status != connection::IoStatus::ok) throw std::runtime_error("the bare wire cannot connect");

    connection::WireSettings settings;
    settings.attempt_timeout = std::chrono::minutes(10);
    wire_ = std::make_shared<connection::AsyncWire>(loop.get_executor(), std::move(transport), settings, *this);
    wire_->start();
}

BareWire::~BareWire() { close(); }

void BareWire::close() { wire_->close(connection::wire_closed_error()); }

const redoubt::KeyPrefix& BareWire::no_prefix() noexcept {
    static const redoubt::KeyPrefix none;
    return none;
}

void BareWire::submit(redoubt::Operation& operation) {
    if (wire_->submit(operation, wire_->now())) throw std::runtime_error("the bare wire takes no more");
}

void BareWire::on_wire_lost(connection::AsyncWire&, const redoubt::Error&) {
    std::fputs("the bare wire was lost\n", stderr);
    std::exit(1);
}

}  // namespace bench
