// base: errors turned into exceptions of their class, each with its cause nested.
#include <redoubt/base/exceptions.hpp>

#include <utility>

namespace redoubt {

namespace {

/// Calls `use` with an exception of the class that `error.kind` names.
template <class Use>
auto with_exception(const Error& error, Use use) {
    switch (error.kind) {
        case ErrorKind::connection: return use(RedisConnectionException{error});
        case ErrorKind::authentication: return use(RedisAuthenticationException{error});
        case ErrorKind::timeout: return use(RedisOperationTimeoutException{error});
        case ErrorKind::memory: return use(RedisMemoryException{error});
        case ErrorKind::circuit_open: return use(RedisCircuitBreakerOpenException{error});
        case ErrorKind::key_not_found: return use(RedisKeyNotFoundException{error});
        case ErrorKind::isolation: return use(RedisProjectIsolationException{error});
        case ErrorKind::configuration: return use(RedisConfigurationException{error});
        case ErrorKind::pool_exhausted: return use(RedisPoolExhaustedException{error});
        case ErrorKind::server: return use(RedisServerException{error});
        case ErrorKind::reply_type: return use(RedisReplyTypeException{error});
        case ErrorKind::cancelled: return use(RedisCancelledException{error});
    }
    return use(RedisException{error});
}

/// std::nested_exception can only take the exception that is being handled, so the cause is thrown here.
std::nested_exception nest(const Error& cause) {
    try {
        raise(cause);
    } catch (const RedisException&) {
        return {};
    }
}

}  // namespace

// Without a cause of its own an exception nests whatever is being handled, as std::throw_with_nested would.
RedisException::RedisException(Error error)
    : std::nested_exception(error.cause ? nest(*error.cause) : std::nested_exception{}),
      error_(std::move(error)),
      what_(error_.message()) {}

std::string_view RedisException::endpoint() const noexcept {
    return error_.origin ? std::string_view{error_.origin->endpoint} : std::string_view{};
}

std::string_view RedisException::project_id() const noexcept {
    return error_.origin ? std::string_view{error_.origin->project_id} : std::string_view{};
}

void raise(const Error& error) {
    with_exception(error, [](auto exception) { throw exception; });
    std::terminate();  // not reached: the line above throws
}

std::exception_ptr to_exception_ptr(const Error& error) {
    return with_exception(error, [](auto exception) { return std::make_exception_ptr(std::move(exception)); });
}

void throw_exception_from_error(const Error& error, const boost::source_location&) { raise(error); }

}  // namespace redoubt
