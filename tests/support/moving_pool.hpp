// tests: a pool that moves between two real servers.
#pragma once

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "support/live_pool.hpp"

namespace redoubt::testing {

/// A blocking command on a wire.
class Call final : public connection::BlockingOperation {
public:
    explicit Call(std::initializer_list<std::string_view> words) : bytes_(encoded_words(words)) {
        set_timing(Clock::now() + 30s, 30s);
    }
    std::size_t encoded_bound() const noexcept override { return bytes_.size(); }
    char* encode(char* out) const noexcept override {
        std::memcpy(out, bytes_.data(), bytes_.size());
        return out + bytes_.size();
    }
    bool on_reply(std::string_view frame) override {
        answer = frame;
        return true;
    }
    std::string answer;

private:
    std::string bytes_;
};

/// Two servers; each says who it is by the key `who`.
class MovingPoolTest : public LivePoolTest {
protected:
    MovingPoolTest()
        : other_([] {
              EmbeddedServerOptions options;
              options.program = "valkey-server";
              options.start_timeout = 30s;
              return options;
          }()) {
        RawClient(server_).command({"SET", "who", "old"});
        RawClient(other_).command({"SET", "who", "new"});
    }
    std::shared_ptr<pool::Node> other_node() {
        RedisServiceConfig config = config_;
        config.url = other_.url();
        const Target target = config.resolve();
        return std::make_shared<pool::Node>(config, target, watcher_);
    }
    std::shared_ptr<pool::Node> unknown_node() {
        auto node = make_node();
        node->set_unknown();
        return node;
    }
    std::shared_ptr<pool::Pool> pool_of(std::shared_ptr<pool::Node> node) {
        pools_.push_back(pool::Pool::create(std::move(node), budget_, std::make_shared<pool::PoolSettings>(settings_),
                                            loop_.get_executor()));
        return pools_.back();
    }
    /// Who answers a blocking caller, on a wire that it shares.
    std::string who(pool::Pool& pool) {
        Call call({"GET", "who"});
        const auto wire = pool.shared_wire(in(10s));
        if (!wire) return wire.error().message();
        if (!(*wire)->run(call, Clock::now())) return "not run";
        return call.error() ? call.error()->message() : call.answer;
    }
    /// Until the async side has followed, too.
    void settle() {
        on_loop([] {});
    }
    std::size_t connections_to(EmbeddedServer& server) {
        return std::stoul(RawClient(server).info("connected_clients")) - 1;
    }

    static constexpr const char* old_one = "$3\r\nold\r\n";
    static constexpr const char* new_one = "$3\r\nnew\r\n";
    EmbeddedServer other_;
    pool::Tenant tenant_;
};

}  // namespace redoubt::testing
