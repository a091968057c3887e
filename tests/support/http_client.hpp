// tests: an HTTP client that says exactly the bytes it is told to, and reads answers strictly.
#pragma once

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace redoubt::testing {

struct HttpAnswer {
    unsigned status = 0;
    std::vector<std::pair<std::string, std::string>> headers;  ///< names in small letters
    std::string body;

    /// The first of that name, or empty.
    std::string header(std::string_view name) const {
        for (const auto& [known, value] : headers) {
            if (known == name) return value;
        }
        return {};
    }
};

/// One connection to 127.0.0.1. Whatever does not come within twenty seconds is an exception.
class HttpClient {
public:
    explicit HttpClient(std::uint16_t port, int receive_buffer = 0)
        : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        if (receive_buffer != 0) {
            ::setsockopt(socket_, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
        }
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_port = htons(port);
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        // NOLINTNEXTLINE: the socket interface wants it so
        if (::connect(socket_, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
            ::close(socket_);
            throw std::runtime_error("nobody listens there");
        }
    }
    ~HttpClient() {
        if (socket_ >= 0) ::close(socket_);
    }
    HttpClient(const HttpClient&) = delete;
    HttpClient& operator=(const HttpClient&) = delete;

    /// False: the other side has closed.
    bool send(std::string_view bytes) {
        while (!bytes.empty()) {
            pollfd ready{socket_, POLLOUT, 0};
            if (::poll(&ready, 1, patience) <= 0) throw std::runtime_error("the server takes no more");
            const ssize_t sent = ::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
            if (sent <= 0) return false;
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
        return true;
    }
    void half_close() { ::shutdown(socket_, SHUT_WR); }

    HttpAnswer ask(std::string_view method, std::string_view path, std::string_view headers = {},
                   std::string_view body = {}) {
        send(request(method, path, headers, body));
        return read_answer(method == "HEAD");
    }
    /// `headers` as lines that end in CRLF.
    static std::string request(std::string_view method, std::string_view path, std::string_view headers = {},
                               std::string_view body = {}) {
        std::string out = std::string(method) + " " + std::string(path) + " HTTP/1.1\r\nHost: localhost\r\n";
        out += headers;
        if (!body.empty()) out += "Content-Length: " + std::to_string(body.size()) + "\r\n";
        return out + "\r\n" + std::string(body);
    }

    HttpAnswer read_answer(bool head = false) {
        HttpAnswer answer = read_head();
        if (head || answer.status == 204 || answer.status == 100) return answer;
        if (answer.header("transfer-encoding") == "chunked") {
            for (std::string chunk = read_chunk(); !chunk.empty(); chunk = read_chunk()) answer.body += chunk;
            return answer;
        }
        const std::string length = answer.header("content-length");
        if (length.empty()) throw std::runtime_error("an answer without a length");
        answer.body = take(std::stoul(length));
        return answer;
    }
    HttpAnswer read_head() {
        const std::string head = take_until("\r\n\r\n");
        HttpAnswer answer;
        if (!head.starts_with("HTTP/1.")) throw std::runtime_error("no HTTP: " + head);
        answer.status = static_cast<unsigned>(std::stoul(head.substr(9, 3)));
        std::size_t at = head.find("\r\n") + 2;
        while (at < head.size() && head.compare(at, 2, "\r\n") != 0) {
            const std::size_t end = head.find("\r\n", at);
            const std::string line = head.substr(at, end - at);
            const std::size_t colon = line.find(": ");
            if (colon == std::string::npos) throw std::runtime_error("no header: " + line);
            std::string name = line.substr(0, colon);
            std::transform(name.begin(), name.end(), name.begin(),
                           [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
            answer.headers.emplace_back(std::move(name), line.substr(colon + 2));
            at = end + 2;
        }
        return answer;
    }
    /// Empty: the last one.
    std::string read_chunk() {
        const std::string line = take_until("\r\n");
        std::size_t size = 0;
        std::from_chars(line.data(), line.data() + line.size(), size, 16);
        std::string text = take(size + 2);
        text.resize(size);
        return text;
    }
    /// What still comes until the server closes the connection.
    std::string read_to_end() {
        while (receive()) {}
        return std::exchange(received_, {});
    }
    /// The server has closed, and said nothing more.
    bool ends() { return read_to_end().empty(); }

private:
    static constexpr int patience = 20'000;

    bool receive() {
        pollfd ready{socket_, POLLIN, 0};
        if (::poll(&ready, 1, patience) <= 0) throw std::runtime_error("the server does not answer: " + received_);
        std::array<char, 65536> chunk{};
        const ssize_t got = ::recv(socket_, chunk.data(), chunk.size(), 0);
        if (got <= 0) return false;
        received_.append(chunk.data(), static_cast<std::size_t>(got));
        return true;
    }
    std::string take(std::size_t size) {
        while (received_.size() < size) {
            if (!receive()) throw std::runtime_error("the server closed the connection: " + received_);
        }
        std::string out = received_.substr(0, size);
        received_.erase(0, size);
        return out;
    }
    std::string take_until(std::string_view end) {
        for (;;) {
            const std::size_t at = received_.find(end);
            if (at != std::string::npos) return take(at + end.size());
            if (!receive()) throw std::runtime_error("the server closed the connection: " + received_);
        }
    }

    int socket_;
    std::string received_;
};

}  // namespace redoubt::testing
