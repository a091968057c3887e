// tests: the two real servers that every test of a wire runs against; one that is missing fails the test.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <unistd.h>
#include <cstdlib>

namespace redoubt::testing {

inline bool is_in_path(const std::string& program) {
    const char* path = std::getenv("PATH");
    std::string_view rest = path != nullptr ? path : "";
    while (!rest.empty()) {
        const std::size_t colon = rest.find(':');
        if (::access((std::string(rest.substr(0, colon)) + "/" + program).c_str(), X_OK) == 0) return true;
        rest.remove_prefix(colon == std::string_view::npos ? rest.size() : colon + 1);
    }
    return false;
}

/// `redis-server` and `valkey-server`: for loops and for INSTANTIATE_TEST_SUITE_P.
/// @throws std::runtime_error naming the install line of the first that is missing
inline std::vector<std::string> server_programs() {
    std::vector<std::string> programs{"redis-server", "valkey-server"};
    for (const std::string& program : programs) {
        if (!is_in_path(program)) {
            throw std::runtime_error("the tests need " + program + ": apt-get install " + program);
        }
    }
    return programs;
}

}  // namespace redoubt::testing
