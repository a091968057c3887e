// service: parts of metrics_snapshot's documents that others need as well.
#pragma once

#include <string_view>
#include <vector>

#include <boost/json/object.hpp>

#include <redoubt/service/metrics_snapshot.hpp>

#include "base/bounded_labels.hpp"

namespace redoubt::service {

/// `connection_factory` of get_metrics(), which the health document has as `factory`, too.
boost::json::object factory_json(const MetricsSnapshot& snapshot);

/// The pools under bounded names: one for each label, those that are `other` summed up. Sorted by name.
std::vector<PoolSnapshot> pools_by_label(const MetricsSnapshot& snapshot, base::BoundedLabels& labels);

/// From `memory` of a health document; nullopt when there is none, or it is not known.
std::optional<MemorySnapshot> memory_of(const boost::json::object& health);

}  // namespace redoubt::service
