// service: the script object; see its header.
#include <redoubt/service/script.hpp>

#include <array>
#include <utility>

#include <openssl/evp.h>

#include <redoubt/base/exceptions.hpp>

namespace redoubt {
namespace {

std::string sha1_of(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha1(), nullptr) != 1) {
        raise(Error::of(ErrorKind::configuration, Certainty::not_sent, Stage::admission,
                        "OpenSSL cannot compute SHA-1, by which servers name scripts"));
    }
    constexpr std::string_view digits = "0123456789abcdef";
    std::string hexadecimal;
    for (unsigned i = 0; i != size; ++i) {
        hexadecimal += digits[digest[i] >> 4];
        hexadecimal += digits[digest[i] & 15];
    }
    return hexadecimal;
}

}  // namespace

Script::Script(std::string source, bool read_only)
    : source_(std::move(source)), sha1_(sha1_of(source_)), read_only_(read_only) {}

}  // namespace redoubt
