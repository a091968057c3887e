// tests: certificates made for one test: an authority, a server, a client, and an authority nobody should trust.
#include "support/certificates.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>

#include <stdlib.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

namespace redoubt::testing {
namespace {

template <auto Free>
struct Freed {
    template <class T>
    void operator()(T* object) const noexcept {
        Free(object);
    }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Extension = std::unique_ptr<X509_EXTENSION, Freed<X509_EXTENSION_free>>;

struct CloseFile {
    void operator()(std::FILE* file) const noexcept { std::fclose(file); }
};
using File = std::unique_ptr<std::FILE, CloseFile>;

void require(bool done, const char* what) {
    if (!done) throw std::runtime_error(std::string("cannot make a test certificate: ") + what);
}

struct Identity {
    Key key;
    Certificate certificate;
};

void add_extension(X509* certificate, X509* issuer, int id, const char* value) {
    X509V3_CTX context;
    X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
    const Extension extension(X509V3_EXT_conf_nid(nullptr, &context, id, value));
    require(extension && X509_add_ext(certificate, extension.get(), -1) == 1, "extension");
}

/// `issuer` null: an authority that signs itself. `names` as subjectAltName has them.
Identity make_identity(const char* common_name, const Identity* issuer, const char* usage, const char* names) {
    static long serial = 0;
    Identity made{Key(EVP_EC_gen("P-256")), Certificate(X509_new())};
    X509* certificate = made.certificate.get();
    require(made.key && certificate != nullptr, "key");
    X509_set_version(certificate, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -3600);  // clocks of containers differ
    X509_gmtime_adj(X509_getm_notAfter(certificate), 24 * 3600);
    X509_set_pubkey(certificate, made.key.get());
    std::string name = common_name;
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_UTF8,
                               static_cast<const unsigned char*>(static_cast<const void*>(name.data())),
                               static_cast<int>(name.size()), -1, 0);
    X509* signer = issuer != nullptr ? issuer->certificate.get() : certificate;
    X509_set_issuer_name(certificate, X509_get_subject_name(signer));
    add_extension(certificate, signer, NID_subject_key_identifier, "hash");
    if (issuer == nullptr) {
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:TRUE");
        add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
    } else {
        add_extension(certificate, signer, NID_basic_constraints, "critical,CA:FALSE");
        add_extension(certificate, signer, NID_authority_key_identifier, "keyid");
        add_extension(certificate, signer, NID_ext_key_usage, usage);
        if (names != nullptr) add_extension(certificate, signer, NID_subject_alt_name, names);
    }
    EVP_PKEY* key = issuer != nullptr ? issuer->key.get() : made.key.get();
    require(X509_sign(certificate, key, EVP_sha256()) > 0, "signature");
    return made;
}

void write(const Identity& identity, const std::filesystem::path& folder, const std::string& name) {
    const File certificate(std::fopen((folder / (name + ".crt")).c_str(), "wx"));
    require(certificate && PEM_write_X509(certificate.get(), identity.certificate.get()) == 1, "certificate file");
    const File key(std::fopen((folder / (name + ".key")).c_str(), "wx"));
    require(key && PEM_write_PrivateKey(key.get(), identity.key.get(), nullptr, nullptr, 0, nullptr, nullptr) == 1,
            "key file");
}

}  // namespace

Certificates::Certificates() {
    std::string name = (std::filesystem::temp_directory_path() / "redoubt-certificates-XXXXXX").string();
    require(::mkdtemp(name.data()) != nullptr, "folder");
    directory_ = name;
    const Identity authority = make_identity("Redoubt test authority", nullptr, nullptr, nullptr);
    write(authority, directory_, "ca");
    write(make_identity("localhost", &authority, "serverAuth", "DNS:localhost,IP:127.0.0.1"), directory_, "server");
    write(make_identity("redoubt test client", &authority, "clientAuth", nullptr), directory_, "client");
    write(make_identity("Another authority", nullptr, nullptr, nullptr), directory_, "other_ca");
}

Certificates::~Certificates() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
}

}  // namespace redoubt::testing
