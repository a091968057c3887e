// resp: all builders.
#pragma once

#include <redoubt/resp/cmd/bitmaps.hpp>
#include <redoubt/resp/cmd/blocking.hpp>
#include <redoubt/resp/cmd/geo.hpp>
#include <redoubt/resp/cmd/hashes.hpp>
#include <redoubt/resp/cmd/hyperloglog.hpp>
#include <redoubt/resp/cmd/keys.hpp>
#include <redoubt/resp/cmd/lists.hpp>
#include <redoubt/resp/cmd/pubsub.hpp>
#include <redoubt/resp/cmd/server.hpp>
#include <redoubt/resp/cmd/sets.hpp>
#include <redoubt/resp/cmd/sorted_sets.hpp>
#include <redoubt/resp/cmd/stream_groups.hpp>
#include <redoubt/resp/cmd/streams.hpp>
#include <redoubt/resp/cmd/strings.hpp>
