// base: errors as values, the line that tells them, and the exceptions that they become.
#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/result.hpp>

#include <chrono>
#include <cstdlib>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/text_values.hpp"

namespace {
std::size_t allocations = 0;
}  // namespace

// NOLINTBEGIN: replaced in this program alone, to count. Not inlined, or GCC sees malloc meet delete and warns.
[[gnu::noinline]] void* operator new(std::size_t size) {
    ++allocations;
    if (void* const memory = std::malloc(size == 0 ? 1 : size)) return memory;
    throw std::bad_alloc{};
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }
// NOLINTEND

namespace redoubt {
namespace {

using namespace std::chrono_literals;

Error lost_reply() {
    Error error = Error::of(ErrorKind::timeout, Certainty::unknown, Stage::sent, "no answer within attempt_timeout");
    error.operation = "SET";
    error.origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{"localhost:5240", "alpha"});
    error.attempts = 3;
    error.elapsed = 2010ms;
    return error;
}

TEST(Error, TellsAllInOneLine) {
    EXPECT_EQ(lost_reply().message(),
              "SET: no answer within attempt_timeout (sent and unanswered; certainty unknown; project \"alpha\"; "
              "endpoint localhost:5240; 3 attempts in 2.01 s)");
}

TEST(Error, LeavesOutWhatIsNotKnown) {
    const auto error = Error::of(ErrorKind::isolation, Certainty::not_sent, Stage::admission, "no project");
    EXPECT_EQ(error.message(), "no project (refused before anything was tried; certainty not_sent)");
    Error empty;
    EXPECT_EQ(empty.message(), "RedisConnectionException (refused before anything was tried; certainty not_sent)");
}

TEST(Error, SaysOneAttemptAndNoneDifferently) {
    Error error = lost_reply();
    error.attempts = 1;
    error.elapsed = 15ms;
    EXPECT_NE(error.message().find("; 1 attempt in 15 ms)"), std::string::npos) << error.message();
    error.attempts = 0;
    EXPECT_NE(error.message().find("; after 15 ms)"), std::string::npos) << error.message();
}

TEST(Error, SaysWhenAnOpenBreakerProbesNext) {
    Error error = Error::of(ErrorKind::circuit_open, Certainty::not_sent, Stage::admission, "the breaker is open");
    error.retry_after = 42s;
    EXPECT_NE(error.message().find("; next probe in 42 s)"), std::string::npos) << error.message();
}

TEST(Error, StaysOneLineWhateverTheServerAndTheCallerSent) {
    Error error = Error::with_detail(ErrorKind::server, Certainty::rejected, Stage::reply, "ERR \"a\"\r\nb\x1b[2J");
    error.origin = std::make_shared<const ErrorOrigin>(ErrorOrigin{"h:1", "x\"\n"});
    EXPECT_EQ(error.message(),
              "ERR \"a\"\\r\\nb\\x1b[2J (answered; certainty rejected; project \"x\\\"\\n\"; endpoint h:1)");
}

TEST(Error, PrefersTheDetailToTheText) {
    Error error = Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "text");
    EXPECT_EQ(error.reason(), "text");
    error.detail = std::make_shared<const std::string>("detail");
    EXPECT_EQ(error.reason(), "detail");
}

TEST(Error, PrefixIsTheFirstWordOfAServersErrorAlone) {
    const auto prefix = [](ErrorKind kind, std::string detail) {
        const auto error = Error::with_detail(kind, Certainty::rejected, Stage::reply, std::move(detail));
        return std::string{error.prefix()};
    };
    EXPECT_EQ(prefix(ErrorKind::server, "WRONGTYPE Operation against a key"), "WRONGTYPE");
    EXPECT_EQ(prefix(ErrorKind::server, "EXECABORT"), "EXECABORT");
    EXPECT_EQ(prefix(ErrorKind::memory, "OOM command not allowed"), "OOM");
    EXPECT_EQ(prefix(ErrorKind::authentication, "NOPERM no"), "NOPERM");
    EXPECT_EQ(prefix(ErrorKind::server, "MY_ERR2 x"), "MY_ERR2");
    EXPECT_EQ(prefix(ErrorKind::server, "Wrong x"), "");
    EXPECT_EQ(prefix(ErrorKind::server, "123 x"), "");
    EXPECT_EQ(prefix(ErrorKind::server, ""), "");
    EXPECT_EQ(prefix(ErrorKind::connection, "DNS failed"), "");
    EXPECT_EQ(prefix(ErrorKind::reply_type, "GET gave"), "");
}

TEST(Error, CopyingAllocatesNothing) {
    Error error = lost_reply();
    error.detail = std::make_shared<const std::string>(200, 'x');
    error.cause = std::make_shared<const Error>(lost_reply());
    const std::size_t before = allocations;
    const Error copy = error;
    Error assigned;
    assigned = copy;
    const result<int> failed{copy};
    EXPECT_EQ(allocations, before);
    EXPECT_EQ(assigned.message(), error.message());
    EXPECT_EQ(failed.error().certainty, Certainty::unknown);
    EXPECT_GT(allocations, before) << "messages allocate, so the count works";
}

TEST(Error, NamesItsEnumerators) {
    EXPECT_EQ(to_string(Certainty::not_sent), "not_sent");
    EXPECT_EQ(to_string(Certainty::applied), "applied");
    EXPECT_EQ(to_string(Stage::waiting_for_wire), "waiting_for_wire");
    EXPECT_EQ(to_string(Stage::backoff), "backoff");
    EXPECT_EQ(to_string(ErrorKind::timeout), "RedisOperationTimeoutException");
}

template <class Exception>
void expect_becomes(ErrorKind kind) {
    const Error error = Error::of(kind, Certainty::rejected, Stage::reply, "why");
    SCOPED_TRACE(to_string(kind));
    EXPECT_THROW(raise(error), Exception);
    try {
        std::rethrow_exception(to_exception_ptr(error));
    } catch (const RedisException& exception) {
        EXPECT_NE(dynamic_cast<const Exception*>(&exception), nullptr);
        EXPECT_EQ(exception.error().kind, kind);
        EXPECT_EQ(exception.what(), error.message());
        return;
    }
    ADD_FAILURE() << "nothing was thrown";
}

TEST(Exceptions, EachKindHasItsClass) {
    expect_becomes<RedisConnectionException>(ErrorKind::connection);
    expect_becomes<RedisAuthenticationException>(ErrorKind::authentication);
    expect_becomes<RedisOperationTimeoutException>(ErrorKind::timeout);
    expect_becomes<RedisMemoryException>(ErrorKind::memory);
    expect_becomes<RedisCircuitBreakerOpenException>(ErrorKind::circuit_open);
    expect_becomes<RedisKeyNotFoundException>(ErrorKind::key_not_found);
    expect_becomes<RedisProjectIsolationException>(ErrorKind::isolation);
    expect_becomes<RedisConfigurationException>(ErrorKind::configuration);
    expect_becomes<RedisPoolExhaustedException>(ErrorKind::pool_exhausted);
    expect_becomes<RedisServerException>(ErrorKind::server);
    expect_becomes<RedisReplyTypeException>(ErrorKind::reply_type);
    expect_becomes<RedisCancelledException>(ErrorKind::cancelled);
}

TEST(Exceptions, CarryWhatTheErrorKnows) {
    try {
        raise(lost_reply());
    } catch (const RedisOperationTimeoutException& exception) {
        EXPECT_EQ(exception.certainty(), Certainty::unknown);
        EXPECT_EQ(exception.stage(), Stage::sent);
        EXPECT_EQ(exception.attempts(), 3u);
        EXPECT_EQ(exception.elapsed(), 2010ms);
        EXPECT_EQ(exception.endpoint(), "localhost:5240");
        EXPECT_EQ(exception.project_id(), "alpha");
        EXPECT_EQ(exception.operation(), "SET");
        return;
    }
    ADD_FAILURE() << "nothing was thrown";
}

/// The texts of an exception and of all that is nested in it, outermost first.
std::vector<std::string> chain_of(const std::exception_ptr& pointer) {
    std::vector<std::string> texts;
    try {
        std::rethrow_exception(pointer);
    } catch (const std::exception& exception) {
        if (const auto* const redis = dynamic_cast<const RedisException*>(&exception))
            texts.emplace_back(redis->error().reason());
        else
            texts.emplace_back(exception.what());
        const auto* const nested = dynamic_cast<const std::nested_exception*>(&exception);
        if (nested && nested->nested_ptr())
            for (auto& text : chain_of(nested->nested_ptr())) texts.push_back(std::move(text));
    }
    return texts;
}

TEST(Exceptions, NestTheirCausesToTheLast) {
    const auto with_cause = [](std::string_view text, std::shared_ptr<const Error> cause) {
        Error error = Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, text);
        error.cause = std::move(cause);
        return error;
    };
    const auto root = std::make_shared<const Error>(with_cause("root", nullptr));
    const auto middle = std::make_shared<const Error>(with_cause("middle", root));
    const Error top = with_cause("top", middle);
    const std::vector<std::string> all{"top", "middle", "root"};
    EXPECT_EQ(chain_of(to_exception_ptr(top)), all);
    try {
        raise(top);
    } catch (...) {
        EXPECT_EQ(chain_of(std::current_exception()), all);
    }
}

TEST(Exceptions, NestWhatIsBeingHandledWhenTheErrorHasNoCause) {
    try {
        try {
            throw std::runtime_error{"from a library"};
        } catch (const std::runtime_error&) {
            raise(Error::of(ErrorKind::connection, Certainty::not_sent, Stage::connecting, "outer"));
        }
    } catch (...) {
        EXPECT_EQ(chain_of(std::current_exception()), (std::vector<std::string>{"outer", "from a library"}));
    }
    EXPECT_EQ(chain_of(to_exception_ptr(Error::of(ErrorKind::connection, Certainty::not_sent, Stage::sent, "alone"))),
              std::vector<std::string>{"alone"});
}

TEST(Result, ValueThrowsTheErrorsException) {
    const result<int> good{7};
    EXPECT_EQ(good.value(), 7);
    const result<int> bad{Error::with_detail(ErrorKind::server, Certainty::rejected, Stage::reply, "WRONGTYPE no")};
    try {
        bad.value();
    } catch (const RedisServerException& exception) {
        EXPECT_EQ(exception.prefix(), "WRONGTYPE");
        return;
    }
    ADD_FAILURE() << "nothing was thrown";
}

TEST(TextValues, FormatDurationsBriefly) {
    EXPECT_EQ(base::format_duration(0s), "0 s");
    EXPECT_EQ(base::format_duration(24h), "86400 s");
    EXPECT_EQ(base::format_duration(2010ms), "2.01 s");
    EXPECT_EQ(base::format_duration(123456ms), "123 s");
    EXPECT_EQ(base::format_duration(999'950us), "1 s");
    EXPECT_EQ(base::format_duration(250ms), "250 ms");
    EXPECT_EQ(base::format_duration(15us), "15 us");
    EXPECT_EQ(base::format_duration(1ns), "1 ns");
    EXPECT_EQ(base::format_duration(-250ms), "-250 ms");
}

}  // namespace
}  // namespace redoubt
