// service: where long strings of replies go; see the header.
#include <redoubt/service/replies.hpp>

#include <redoubt/resp/read_reply.hpp>

namespace redoubt::service {
namespace {

template <class Reply>
bool is_plain(Reader<Reply> reader) noexcept {
    constexpr Reader<Reply> plain = &read_reply;
    return reader == plain;
}

}  // namespace

std::string* ready_for(Reader<std::string> reader, std::string& value, std::size_t size) {
    if (!is_plain<std::string>(reader)) return nullptr;
    value.clear();
    value.reserve(size);
    return &value;
}

std::string* ready_for(Reader<std::optional<std::string>> reader, std::optional<std::string>& value, std::size_t size) {
    if (!is_plain<std::optional<std::string>>(reader)) return nullptr;
    value.emplace().reserve(size);
    return &*value;
}

}  // namespace redoubt::service
