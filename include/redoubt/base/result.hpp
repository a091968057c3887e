// base: the return type of every `try_` form.
#pragma once

#include <boost/system/result.hpp>

#include <redoubt/base/error.hpp>

namespace redoubt {

/// A value or an `Error`. `.value()` throws the error's exception; `.error()` reads it without throwing.
template <class T>
using result = boost::system::result<T, Error>;

}  // namespace redoubt
