// connection: error replies; see the header.
#include "connection/server_error.hpp"

#include <algorithm>
#include <array>
#include <string>

namespace redoubt::connection {
namespace {

struct Rule {
    std::string_view prefix;
    ErrorKind kind;
    Certainty certainty;
    bool before_execution;  // raised before any script or queued command could run
};

// `rejected`: the server raises it before it executes the command. Everything else is raised while executing,
// where the commands themselves are atomic: an error means that nothing was changed, but of a script or an EXEC
// some part may have been.
constexpr std::array rules{
    Rule{"LOADING", ErrorKind::server, Certainty::rejected, false},
    Rule{"BUSY", ErrorKind::server, Certainty::rejected, false},
    Rule{"CLUSTERDOWN", ErrorKind::server, Certainty::rejected, false},
    Rule{"MASTERDOWN", ErrorKind::server, Certainty::rejected, false},
    Rule{"TRYAGAIN", ErrorKind::server, Certainty::rejected, false},
    Rule{"MOVED", ErrorKind::server, Certainty::rejected, false},
    Rule{"ASK", ErrorKind::server, Certainty::rejected, false},
    Rule{"READONLY", ErrorKind::server, Certainty::rejected, false},
    Rule{"MISCONF", ErrorKind::server, Certainty::rejected, false},
    Rule{"NOREPLICAS", ErrorKind::server, Certainty::rejected, false},
    Rule{"OOM", ErrorKind::memory, Certainty::rejected, false},
    Rule{"NOAUTH", ErrorKind::authentication, Certainty::rejected, true},
    Rule{"WRONGPASS", ErrorKind::authentication, Certainty::rejected, true},
    Rule{"NOPERM", ErrorKind::authentication, Certainty::rejected, true},
    Rule{"NOSCRIPT", ErrorKind::server, Certainty::rejected, true},
    Rule{"EXECABORT", ErrorKind::server, Certainty::rejected, true},
    Rule{"WRONGTYPE", ErrorKind::server, Certainty::rejected, false},
};

constexpr std::string_view too_many_clients = "ERR max number of clients reached";

// A server quotes the arguments of a command that it does not know, values among them.
std::string_view without_arguments(std::string_view text) {
    return text.starts_with("ERR unknown command") ? text.substr(0, text.find(", with args beginning with:")) : text;
}

std::string without_prefix(std::string_view text, const KeyPrefix& prefix) {
    std::string out(text);
    if (prefix.empty()) return out;
    for (auto at = out.find(prefix.view()); at != std::string::npos; at = out.find(prefix.view(), at)) {
        out.erase(at, prefix.size());
        // A key that the caller itself begins with the prefix keeps that.
        if (out.compare(at, prefix.size(), prefix.view()) == 0) at += prefix.size();
    }
    return out;
}

}  // namespace

Error from_server_error(std::string_view text, const KeyPrefix& prefix, ErrorTrust trust) {
    const std::string_view word = text.substr(0, text.find(' '));
    const auto rule = std::find_if(rules.begin(), rules.end(), [&](const Rule& r) { return r.prefix == word; });

    ErrorKind kind = ErrorKind::server;
    // A single command that the server answers with an error changed nothing.
    Certainty certainty = Certainty::rejected;
    bool before_execution = false;
    if (rule != rules.end()) {
        kind = rule->kind;
        certainty = rule->certainty;
        before_execution = rule->before_execution;
    } else if (text.starts_with(too_many_clients)) {
        kind = ErrorKind::connection;
    }
    const bool believed = trust == ErrorTrust::full || (trust == ErrorTrust::if_before_execution && before_execution);
    if (!believed) certainty = Certainty::unknown;
    return Error::with_detail(kind, certainty, Stage::reply, without_prefix(without_arguments(text), prefix));
}

bool is_passing(std::string_view error_prefix) noexcept {
    return is_node_failure(error_prefix) || error_prefix == "BUSY" || error_prefix == "TRYAGAIN";
}

bool is_about_place(std::string_view error_prefix) noexcept {
    return error_prefix == "MOVED" || error_prefix == "ASK" || error_prefix == "TRYAGAIN" ||
           error_prefix == "CLUSTERDOWN";
}

bool is_node_failure(std::string_view error_prefix) noexcept {
    return error_prefix == "LOADING" || error_prefix == "CLUSTERDOWN" || error_prefix == "MASTERDOWN";
}

}  // namespace redoubt::connection
