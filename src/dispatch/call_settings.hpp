// dispatch: what all calls of a project have in common.
#pragma once

#include <redoubt/base/clock.hpp>

#include "policy/retry.hpp"

namespace redoubt::dispatch {

/// From the configuration; a call's options are merged over it.
struct CallSettings {
    Duration operation_timeout{};
    Duration attempt_timeout{};
    policy::RetrySettings retry;
};

}  // namespace redoubt::dispatch
