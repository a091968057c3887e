// tests: certificates made for one test: an authority, a server, a client, and an authority nobody should trust.
#pragma once

#include <filesystem>
#include <string>

namespace redoubt::testing {

/// PEM files in a temporary folder that goes with the object.
class Certificates {
public:
    Certificates();
    ~Certificates();
    Certificates(const Certificates&) = delete;
    Certificates& operator=(const Certificates&) = delete;

    std::string ca() const { return file("ca.crt"); }
    std::string server_cert() const { return file("server.crt"); }  ///< for `localhost` and 127.0.0.1
    std::string server_key() const { return file("server.key"); }
    std::string client_cert() const { return file("client.crt"); }
    std::string client_key() const { return file("client.key"); }
    std::string other_ca() const { return file("other_ca.crt"); }  ///< has signed none of the above
    std::string directory() const { return directory_.string(); }

private:
    std::string file(const char* name) const { return (directory_ / name).string(); }
    std::filesystem::path directory_;
};

}  // namespace redoubt::testing
