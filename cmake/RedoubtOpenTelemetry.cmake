# OpenTelemetry C++: its API is headers only, and all that the library needs, so nothing of it reaches those who link
# Redoubt. What Debian's package installs as its own CMake configuration asks for the development files of gRPC and
# Abseil, which nobody here uses: so its parts are looked for by themselves.
set(REDOUBT_OTEL AUTO CACHE STRING "OpenTelemetry: AUTO (where its headers are found), ON (required), OFF")
set_property(CACHE REDOUBT_OTEL PROPERTY STRINGS AUTO ON OFF)
set(REDOUBT_HAS_OTEL FALSE)

if(REDOUBT_OTEL STREQUAL "AUTO" OR REDOUBT_OTEL)
  find_path(REDOUBT_OTEL_INCLUDE opentelemetry/version.h)
  mark_as_advanced(REDOUBT_OTEL_INCLUDE)
  set(redoubt_otel_version 0)
  if(REDOUBT_OTEL_INCLUDE)
    file(STRINGS ${REDOUBT_OTEL_INCLUDE}/opentelemetry/version.h redoubt_otel_version
         REGEX "define OPENTELEMETRY_VERSION \"")
    string(REGEX REPLACE ".*\"([0-9.]+)\".*" "\\1" redoubt_otel_version "${redoubt_otel_version}")
  endif()
  if(redoubt_otel_version VERSION_GREATER_EQUAL 1.19)
    set(REDOUBT_HAS_OTEL TRUE)
    message(STATUS "OpenTelemetry: API ${redoubt_otel_version} in ${REDOUBT_OTEL_INCLUDE}")
  elseif(REDOUBT_OTEL STREQUAL "AUTO")
    message(STATUS "OpenTelemetry: no API 1.19 or newer found, so Redoubt is built without it "
                   "(./dev installs it; Debian 12 has opentelemetry-cpp-dev in bookworm-backports)")
  else()
    message(FATAL_ERROR "REDOUBT_OTEL is ${REDOUBT_OTEL}, and there are no headers of OpenTelemetry C++ 1.19 or newer "
                        "(opentelemetry/version.h)")
  endif()
endif()

if(REDOUBT_HAS_OTEL)
  add_library(redoubt_otel_api INTERFACE)
  target_include_directories(redoubt_otel_api SYSTEM INTERFACE ${REDOUBT_OTEL_INCLUDE})

  # The SDK, with the exporters named, for programs of this repository: redoubt_otel_sdk.
  set(redoubt_otel_sdk_missing)
  add_library(redoubt_otel_sdk INTERFACE)
  target_link_libraries(redoubt_otel_sdk INTERFACE redoubt_otel_api)
  foreach(part trace metrics resources common version exporter_in_memory exporter_in_memory_metric exporter_otlp_http
          exporter_otlp_http_metric exporter_otlp_http_client otlp_recordable proto)
    find_library(REDOUBT_OTEL_${part} opentelemetry_${part})
    mark_as_advanced(REDOUBT_OTEL_${part})
    if(REDOUBT_OTEL_${part})
      target_link_libraries(redoubt_otel_sdk INTERFACE ${REDOUBT_OTEL_${part}})
    else()
      list(APPEND redoubt_otel_sdk_missing ${part})
    endif()
  endforeach()
  set(REDOUBT_HAS_OTEL_SDK TRUE)
  if(redoubt_otel_sdk_missing)
    set(REDOUBT_HAS_OTEL_SDK FALSE)
    message(STATUS "OpenTelemetry: no SDK (missing: ${redoubt_otel_sdk_missing}), so the command exports nothing")
  endif()
endif()
