// fuzz: the framing of replies, with small limits and with the defaults.
#include <cstdio>
#include <cstdlib>

#include "checks.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view bytes{reinterpret_cast<const char*>(data), size};
    for (const redoubt::ReplyLimits& limits : {redoubt::fuzz::small_limits(), redoubt::ReplyLimits{}}) {
        const std::string fault = redoubt::fuzz::check_scanner(bytes, limits);
        if (fault.empty()) continue;
        std::fprintf(stderr, "%s\n", fault.c_str());
        std::abort();
    }
    return 0;
}
