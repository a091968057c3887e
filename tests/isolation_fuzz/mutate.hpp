// tests: spoils the words of a call the way an attacker would: options twice, keys of others, numbers past every limit.
#pragma once

#include "grammar.hpp"

namespace redoubt::isolation_fuzz {

/// One to three changes.
void mutate(Words& words, Random& random);

}  // namespace redoubt::isolation_fuzz
