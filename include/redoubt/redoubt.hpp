// redoubt: everything, in one include.
#pragma once

#include <redoubt/base/config.hpp>
#include <redoubt/base/error.hpp>
#include <redoubt/base/exceptions.hpp>
#include <redoubt/base/isolation_counters.hpp>
#include <redoubt/base/listeners.hpp>
#include <redoubt/base/result.hpp>
#include <redoubt/base/telemetry.hpp>
#include <redoubt/embedded/embedded_cluster.hpp>
#include <redoubt/embedded/embedded_sentinel.hpp>
#include <redoubt/embedded/embedded_server.hpp>
#include <redoubt/otel/otel_telemetry.hpp>
#include <redoubt/policy/circuit_breaker.hpp>
#include <redoubt/policy/circuit_listeners.hpp>
#include <redoubt/policy/memory_alert.hpp>
#include <redoubt/resp/cmd.hpp>
#include <redoubt/resp/read_reply.hpp>
#include <redoubt/resp/value.hpp>
#include <redoubt/service/admin.hpp>
#include <redoubt/service/circuit_breaker_handle.hpp>
#include <redoubt/service/client.hpp>
#include <redoubt/service/connection_factory.hpp>
#include <redoubt/service/health_events.hpp>
#include <redoubt/service/memory_report.hpp>
#include <redoubt/service/metrics_snapshot.hpp>
#include <redoubt/service/service.hpp>
