// resp: all builders.
#pragma once

#include <redoubt/resp/cmd/blocking.hpp>
#include <redoubt/resp/cmd/hashes.hpp>
#include <redoubt/resp/cmd/keys.hpp>
#include <redoubt/resp/cmd/lists.hpp>
#include <redoubt/resp/cmd/server.hpp>
#include <redoubt/resp/cmd/sets.hpp>
#include <redoubt/resp/cmd/sorted_sets.hpp>
#include <redoubt/resp/cmd/strings.hpp>
