// resp: walking a complete frame. No bound is checked here that the scanner has checked already.
#include <redoubt/resp/reply.hpp>

#include <cstring>

namespace redoubt {

std::string_view to_string(RespType type) noexcept {
    switch (type) {
        case RespType::simple: return "simple string";
        case RespType::error: return "error";
        case RespType::integer: return "integer";
        case RespType::bulk: return "bulk string";
        case RespType::array: return "array";
        case RespType::null: return "null";
        case RespType::boolean: return "boolean";
        case RespType::real: return "double";
        case RespType::big_number: return "big number";
        case RespType::bulk_error: return "bulk error";
        case RespType::verbatim: return "verbatim string";
        case RespType::map: return "map";
        case RespType::set: return "set";
        case RespType::attribute: return "attribute";
        case RespType::push: return "push";
    }
    return "unknown type";
}

std::int64_t ReplyNode::children() const noexcept {
    switch (type) {
        case RespType::array:
        case RespType::set:
        case RespType::push: return integer;
        case RespType::map:
        case RespType::attribute: return integer * 2;
        default: return 0;
    }
}

// One element's header, or all of a scalar; attributes too.
ReplyNode ReplyCursor::element() noexcept {
    const auto type = static_cast<RespType>(*at_);
    const char* const begin = at_ + 1;
    // The line as a number, and past it.
    const auto take_number = [&]() -> std::int64_t {
        const bool negative = *begin == '-';
        const char* at = begin + (negative ? 1 : 0);
        std::uint64_t value = 0;
        for (; *at != '\r'; ++at) value = value * 10 + static_cast<std::uint64_t>(*at - '0');
        at_ = at + 2;
        return static_cast<std::int64_t>(negative ? 0 - value : value);
    };
    switch (type) {
        case RespType::integer: {
            const std::int64_t value = take_number();
            return {type, {begin, static_cast<std::size_t>(at_ - 2 - begin)}, value};
        }
        case RespType::bulk:
        case RespType::bulk_error:
        case RespType::verbatim: {
            const std::int64_t length = take_number();
            if (length < 0) return {};
            std::string_view text{at_, static_cast<std::size_t>(length)};
            at_ += length + 2;
            if (type == RespType::verbatim) text.remove_prefix(4);
            return {type, text, 0};
        }
        case RespType::array:
        case RespType::set:
        case RespType::push:
        case RespType::map:
        case RespType::attribute: {
            const std::int64_t count = take_number();
            if (count < 0) return {};
            return {type, {}, count};
        }
        case RespType::boolean: at_ = begin + 3; return {type, {}, *begin == 't' ? 1 : 0};
        case RespType::null: at_ = begin + 2; return {};
        case RespType::simple:
        case RespType::error:
        case RespType::real:
        case RespType::big_number: break;
    }
    const auto* const cr = static_cast<const char*>(std::memchr(begin, '\r', static_cast<std::size_t>(end_ - begin)));
    at_ = cr + 2;
    return {type, {begin, static_cast<std::size_t>(cr - begin)}, 0};
}

void ReplyCursor::skip_elements(std::int64_t count) noexcept {
    while (count > 0 && at_ != end_) {
        const ReplyNode node = element();
        count += node.children();
        if (node.type != RespType::attribute) --count;  // it comes beside the element that follows it
    }
}

ReplyNode ReplyCursor::next_other() noexcept {
    while (at_ != end_) {
        const ReplyNode node = element();
        if (node.type != RespType::attribute) return node;
        skip_elements(node.children());
    }
    return {};
}

ReplyNode ReplyCursor::peek() const noexcept {
    ReplyCursor ahead = *this;
    return ahead.next();
}

void ReplyCursor::skip() noexcept { skip_elements(1); }

}  // namespace redoubt
