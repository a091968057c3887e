// admin: requests and answers; see the header.
#include "admin/http_message.hpp"

#include <boost/json/serialize.hpp>

#include "base/text_values.hpp"

namespace redoubt::admin {

std::string_view Request::field(std::string_view name) const noexcept {
    for (const auto& [known, value] : fields) {
        if (known == name) return value;
    }
    return {};
}

const std::string* Request::header(std::string_view name) const noexcept {
    for (const auto& [known, value] : headers) {
        if (base::equals_ignoring_case(known, name)) return &value;
    }
    return nullptr;
}

Response Response::text(unsigned status, std::string_view content_type, std::string body) {
    Response response;
    response.status = status;
    response.headers.emplace_back("Content-Type", content_type);
    response.body = std::move(body);
    return response;
}

Response Response::json(unsigned status, const boost::json::object& value) {
    return text(status, "application/json", boost::json::serialize(value) + "\n");
}

Response Response::problem(unsigned status, std::string_view error, std::string_view message) {
    return json(status, {{"error", error}, {"message", message}});
}

}  // namespace redoubt::admin
