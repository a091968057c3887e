// tests: `redoubt serve` as a child of the test, on a free port, for a server of the test's.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <utility>
#include <vector>

#include "support/child_process.hpp"
#include "support/http_client.hpp"

namespace redoubt::testing {

inline constexpr std::string_view serving_line = "serving on http://";

class Serving {
public:
    /// `arguments` behind `redoubt serve --port 0`. Returns when it serves.
    Serving(const std::string& program, std::vector<std::string> arguments, std::vector<std::string> environment = {})
        : process_(words(program, std::move(arguments)), with_path(std::move(environment))) {
        const std::string line = process_.line_with(serving_line);
        url_ = line.substr(line.find("http://"));
        port_ = static_cast<std::uint16_t>(std::stoul(url_.substr(url_.rfind(':') + 1)));
    }
    std::uint16_t port() const noexcept { return port_; }
    const std::string& url() const noexcept { return url_; }
    ChildProcess& process() noexcept { return process_; }

    HttpAnswer ask(std::string_view method, std::string_view path, std::string_view body = {},
                   std::string_view headers = {}) const {
        return HttpClient(port_).ask(method, path, headers, body);
    }
    HttpAnswer get(std::string_view path, std::string_view headers = {}) const { return ask("GET", path, {}, headers); }

private:
    static std::vector<std::string> words(const std::string& program, std::vector<std::string> arguments) {
        std::vector<std::string> all{program, "serve", "--port", "0"};
        for (std::string& argument : arguments) all.push_back(std::move(argument));
        return all;
    }
    static std::vector<std::string> with_path(std::vector<std::string> environment) {
        environment.push_back(std::string("PATH=") + std::getenv("PATH"));
        return environment;
    }
    ChildProcess process_;
    std::string url_;
    std::uint16_t port_ = 0;
};

}  // namespace redoubt::testing
