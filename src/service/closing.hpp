// service: the end of a factory's projects: no new calls, a while for those under way, then their end.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include <redoubt/base/clock.hpp>
#include <redoubt/isolation/project.hpp>
#include <redoubt/service/connection_factory.hpp>

namespace redoubt::service {

/// Where a lane is the service's own and its thread is another one, this waits until all is closed: for `drain`, and a
/// little longer while a handler holds the loop up. Else async calls finish, or fail, while their loop runs on; and are
/// destroyed with it if it does not. `stop_dials` ends the dials of threads that wait, when the time is over.
void close_projects(const std::vector<std::shared_ptr<isolation::Project>>& projects,
                    const std::vector<RedisConnectionFactory::Lane>& lanes, Duration drain,
                    const std::function<void()>& stop_dials);

}  // namespace redoubt::service
