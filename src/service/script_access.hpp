// service: who may run scripts: what the configuration says, and what the server is known to keep inside.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include <redoubt/base/config.hpp>
#include <redoubt/isolation/project.hpp>

namespace redoubt::service {

/// The gates of a factory's projects. Not synchronised.
class ScriptAccess {
public:
    /// The configuration outlives it.
    explicit ScriptAccess(const RedisServiceConfig& config) : config_(config) {}

    /// Null for a project that may not run scripts, whatever the server is. `own` gives the library's own project, through
    /// which the server is asked for its version.
    std::shared_ptr<isolation::ScriptGate> gate_of(std::string_view project,
                                                   const std::function<std::shared_ptr<isolation::Project>()>& own);

private:
    const RedisServiceConfig& config_;
    std::shared_ptr<isolation::ScriptGate> gate_;  // one for all that have one
};

}  // namespace redoubt::service
