// fuzz: the parser of raw commands on any words.
#include <cstdio>
#include <cstdlib>

#include "raw_command_checks.hpp"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string fault = redoubt::fuzz::check_raw_command({reinterpret_cast<const char*>(data), size});
    if (fault.empty()) return 0;
    std::fprintf(stderr, "%s\n", fault.c_str());
    std::abort();
}
