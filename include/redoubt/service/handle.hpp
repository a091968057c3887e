// service: what every surface holds: the project, and the options of its calls.
#pragma once

#include <memory>
#include <utility>

#include <redoubt/dispatch/call.hpp>
#include <redoubt/isolation/project.hpp>

namespace redoubt::service {

struct Handle {
    Handle() = default;
    explicit Handle(std::shared_ptr<isolation::Project> of) noexcept : project(std::move(of)) {}

    /// The same project with these options, and none of its own.
    Handle with(const CallOptions& options) const {
        auto bound = std::make_shared<const Bound>(Bound{bound_ != nullptr ? bound_->project : project, options});
        Handle handle;
        handle.bound_ = bound.get();
        isolation::Project* const same = project.get();
        handle.project = std::shared_ptr<isolation::Project>(std::move(bound), same);
        return handle;
    }
    const CallOptions& options() const noexcept { return bound_ != nullptr ? bound_->options : none; }
    /// Null: there are none. They live as long as `project` or a copy of it.
    const CallOptions* given() const noexcept { return bound_ != nullptr ? &bound_->options : nullptr; }

    /// With options it is these that are counted, and they keep the project: so a call that keeps its project has its
    /// options, too, and most calls, which have none, pay nothing for them.
    std::shared_ptr<isolation::Project> project;

private:
    struct Bound {
        std::shared_ptr<isolation::Project> project;
        CallOptions options;
    };
    static inline const CallOptions none{};
    const Bound* bound_ = nullptr;
};

}  // namespace redoubt::service
