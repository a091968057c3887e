// service: what encoding may refuse; see the header.
#include <redoubt/service/execution.hpp>

#include <optional>
#include <utility>

namespace redoubt::service {

void encode_alone(dispatch::AsyncCall& call, const isolation::Project& project, const CommandView& command) {
    if (std::optional<Error> refused = project.encode_alone(command, call.commands())) {
        call.refuse(std::move(*refused));
    }
}

}  // namespace redoubt::service
