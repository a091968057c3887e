// isolation: secrets of ACL users, by OpenSSL; see the header.
#include "isolation/acl_secret.hpp"

#include <array>
#include <span>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>

namespace redoubt::isolation {
namespace {

std::string hex(std::span<const unsigned char> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    text.reserve(bytes.size() * 2);
    for (const unsigned char byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 0xF];
    }
    return text;
}

const unsigned char* bytes_of(std::string_view text) {
    // NOLINTNEXTLINE: OpenSSL's bytes are unsigned
    return reinterpret_cast<const unsigned char*>(text.data());
}

}  // namespace

std::string hmac_hex(std::string_view key, std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()), bytes_of(text), text.size(), digest.data(),
             &size) == nullptr) {
        throw std::runtime_error("OpenSSL cannot make an HMAC");
    }
    return hex(std::span(digest).first(size));
}

std::string sha256_hex(std::string_view text) {
    std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
    unsigned int size = 0;
    if (EVP_Digest(text.data(), text.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1) {
        throw std::runtime_error("OpenSSL cannot make a SHA256");
    }
    return hex(std::span(digest).first(size));
}

std::string random_secret() {
    std::array<unsigned char, 32> bytes{};
    if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1) {
        throw std::runtime_error("OpenSSL has no random bytes");
    }
    return hex(bytes);
}

}  // namespace redoubt::isolation
