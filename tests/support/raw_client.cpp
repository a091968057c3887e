// tests: a tiny blocking RESP client that looks at a server past the library: what is really stored there.
#include "support/raw_client.hpp"

#include <algorithm>

namespace redoubt::testing {

RawClient RawClient::unix_socket(const std::string& path, Duration timeout) {
    return RawClient(embedded::RawConnection::to_unix_socket(path, timeout));
}

RawClient RawClient::tcp(std::uint16_t port, Duration timeout) {
    return RawClient(embedded::RawConnection::to_tcp("127.0.0.1", port, timeout));
}

RawClient::RawClient(const EmbeddedServer& server)
    : connection_(embedded::RawConnection::to_unix_socket(server.socket_path(), 5s)) {}

std::string RawClient::command(std::initializer_list<std::string_view> arguments) {
    return connection_.exchange({arguments.begin(), arguments.size()});
}

std::string RawClient::command(const std::vector<std::string>& arguments) {
    const std::vector<std::string_view> views(arguments.begin(), arguments.end());
    return connection_.exchange(views);
}

std::vector<std::string> RawClient::strings(std::initializer_list<std::string_view> arguments) {
    return embedded::strings_of_frame(command(arguments));
}

std::vector<std::string> RawClient::sorted_strings(std::initializer_list<std::string_view> arguments) {
    std::vector<std::string> all = strings(arguments);
    std::sort(all.begin(), all.end());
    return all;
}

std::string RawClient::info(std::string_view field) {
    const std::string text = "\n" + command({"INFO"});
    const std::string start = "\n" + std::string(field) + ":";
    const std::size_t at = text.find(start);
    if (at == std::string::npos) return {};
    const std::size_t from = at + start.size();
    return text.substr(from, text.find_first_of("\r\n", from) - from);
}

void RawClient::send(std::string_view bytes) { connection_.send(bytes); }
std::string RawClient::read_frame() { return connection_.read_frame(); }

}  // namespace redoubt::testing
