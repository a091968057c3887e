// bench: hiredis: one connection used by one thread, or a pool of ten behind a mutex used by many.
#include <condition_variable>

#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include "support/threads.hpp"

namespace bench {
namespace {

constexpr std::size_t pool_size = 10;

class Connection {
public:
    explicit Connection(int port) : context_(redisConnect("127.0.0.1", port)) {
        if (context_ == nullptr || context_->err != 0) throw std::runtime_error("hiredis cannot connect");
        const int on = 1;
        ::setsockopt(context_->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    }
    ~Connection() { redisFree(context_); }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    /// The value is copied out, as every other candidate gives it to its caller.
    std::string get(const std::string& key) {
        std::array<const char*, 2> words{"GET", key.data()};
        std::array<std::size_t, 2> sizes{3, key.size()};
        redisReply* const reply = call(2, words.data(), sizes.data());
        std::string value(reply->type == REDIS_REPLY_STRING ? std::string(reply->str, reply->len) : std::string());
        freeReplyObject(reply);
        return value;
    }
    void set(const std::string& key, const std::string& value) {
        std::array<const char*, 3> words{"SET", key.data(), value.data()};
        std::array<std::size_t, 3> sizes{3, key.size(), value.size()};
        freeReplyObject(call(3, words.data(), sizes.data()));
    }

private:
    redisReply* call(int count, const char** words, const std::size_t* sizes) {
        void* const reply = redisCommandArgv(context_, count, words, sizes);
        if (reply == nullptr) throw std::runtime_error("hiredis lost its connection");
        return static_cast<redisReply*>(reply);
    }
    redisContext* context_;
};

class Pool {
public:
    explicit Pool(int port) {
        for (std::size_t i = 0; i < pool_size; ++i) free_.push_back(std::make_unique<Connection>(port));
    }
    template <class Use>
    void with(Use use) {
        std::unique_ptr<Connection> connection;
        {
            std::unique_lock lock(mutex_);
            returned_.wait(lock, [this] { return !free_.empty(); });
            connection = std::move(free_.back());
            free_.pop_back();
        }
        use(*connection);
        {
            const std::lock_guard lock(mutex_);
            free_.push_back(std::move(connection));
        }
        returned_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable returned_;
    std::vector<std::unique_ptr<Connection>> free_;
};

void run(const Arguments& arguments) {
    const Workload workload(arguments.text("workload", "get"));
    const std::size_t callers = arguments.count("callers", 1);
    const int port = static_cast<int>(arguments.count("port", 0));
    const auto operate = [&](Connection& connection, std::size_t caller, std::size_t n) {
        if (workload.kind == Workload::Kind::set) {
            connection.set(workload.key(caller, n), workload.value);
        } else if (workload.kind == Workload::Kind::get) {
            workload.check(connection.get(workload.key(caller, n)).size());
        } else {
            throw std::runtime_error("hiredis: only get, get4k and set");
        }
    };
    const double seconds = arguments.number("seconds", 1);
    if (arguments.text("mode") == "sync") {
        Connection connection(port);
        run_threads(1, seconds, [&](std::size_t caller, std::size_t n) { operate(connection, caller, n); });
    } else {
        Pool pool(port);
        run_threads(callers, seconds, [&](std::size_t caller, std::size_t n) {
            pool.with([&](Connection& connection) { operate(connection, caller, n); });
        });
    }
}

}  // namespace
}  // namespace bench

int main(int count, char** words) { return bench::run_candidate(count, words, bench::run); }
