# The flags of our own targets. Private: nothing of it reaches a consumer.
add_library(redoubt_flags INTERFACE)
target_compile_options(redoubt_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wold-style-cast -Wnon-virtual-dtor -Woverloaded-virtual -Wextra-semi
  $<$<BOOL:${REDOUBT_WARNINGS_AS_ERRORS}>:-Werror>)

# GCC 12 takes the frames of Asio's coroutines for mismatched new and delete: each has its own operator delete.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(redoubt_flags INTERFACE -Wno-mismatched-new-delete)
endif()

if(REDOUBT_SANITIZE)
  target_compile_options(redoubt_flags INTERFACE -fsanitize=${REDOUBT_SANITIZE} -fno-omit-frame-pointer
                         -fno-sanitize-recover=all)
  target_link_options(redoubt_flags INTERFACE -fsanitize=${REDOUBT_SANITIZE})
  # clang-14's function check trips over Asio's coroutine frames; GCC's TSan warns of fences it does not model.
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND REDOUBT_SANITIZE MATCHES "undefined")
    target_compile_options(redoubt_flags INTERFACE -fno-sanitize=function)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND REDOUBT_SANITIZE MATCHES "thread")
    target_compile_options(redoubt_flags INTERFACE -Wno-tsan)
  endif()
endif()

find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE_PROGRAM})
endif()
