// base: the exceptions, the original's hierarchy and three more. Each says what happened, to which
// command of which project at which endpoint, and whether it was applied.
#pragma once

#include <exception>
#include <string>
#include <string_view>

#include <redoubt/base/error.hpp>

namespace redoubt {

/// The base of all. What led to one is nested in it (`std::rethrow_if_nested`).
class RedisException : public std::exception, public std::nested_exception {
public:
    explicit RedisException(Error error);

    const char* what() const noexcept override { return what_.c_str(); }

    Certainty certainty() const noexcept { return error_.certainty; }
    Stage stage() const noexcept { return error_.stage; }
    unsigned attempts() const noexcept { return error_.attempts; }
    Duration elapsed() const noexcept { return error_.elapsed; }
    /// Empty when the call had not reached a node.
    std::string_view endpoint() const noexcept;
    /// Empty for what belongs to no project.
    std::string_view project_id() const noexcept;
    std::string_view operation() const noexcept { return error_.operation; }
    const Error& error() const noexcept { return error_; }

private:
    Error error_;
    std::string what_;
};

/// A wire could not be made, was lost, or its peer does not speak the protocol; or the service is closed.
class RedisConnectionException : public RedisException {
public:
    using RedisException::RedisException;
};

/// Wrong credentials, none where some are needed, or a command that the server's ACL refuses.
class RedisAuthenticationException : public RedisException {
public:
    using RedisException::RedisException;
};

/// A deadline or `attempt_timeout` passed; `stage()` says which wait ran out.
class RedisOperationTimeoutException : public RedisException {
public:
    using RedisException::RedisException;
};

/// The server answered OOM.
class RedisMemoryException : public RedisException {
public:
    using RedisException::RedisException;
};

/// The node's breaker is open: nothing was sent.
class RedisCircuitBreakerOpenException : public RedisException {
public:
    using RedisException::RedisException;
    /// Time until the node is probed again; zero while it is being probed.
    Duration retry_after() const noexcept { return error().retry_after; }
};

/// A `_required` read found no key.
class RedisKeyNotFoundException : public RedisException {
public:
    using RedisException::RedisException;
};

/// A project id, command or argument that cannot be isolated, or a reply that broke isolation.
class RedisProjectIsolationException : public RedisException {
public:
    using RedisException::RedisException;
};

/// A bad configuration: names every bad field, its value (secrets masked) and what is allowed.
class RedisConfigurationException : public RedisException {
public:
    using RedisException::RedisException;
};

/// Waiting for a wire passed its bound in time or number.
class RedisPoolExhaustedException : public RedisException {
public:
    using RedisException::RedisException;
};

/// An error reply that fits none of the others; `prefix()` is its first word, such as `WRONGTYPE`.
class RedisServerException : public RedisException {
public:
    using RedisException::RedisException;
    std::string_view prefix() const noexcept { return error().prefix(); }
};

/// The reply cannot be read as the C++ type that was asked for.
class RedisReplyTypeException : public RedisException {
public:
    using RedisException::RedisException;
};

/// The caller cancelled the call.
class RedisCancelledException : public RedisException {
public:
    using RedisException::RedisException;
};

}  // namespace redoubt
