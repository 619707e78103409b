// /metrics: where the counters are written to; and /metrics/prometheus, which tells them. API
// thread, or main with a configuration file.
#pragma once

#include "monitor/api/controller.hpp"

Result<MetricsConfig> parse_metrics(const JsonNode& body);
void write_metrics(const MetricsConfig& metrics, JsonWriter& out);

HttpResponse tell_prometheus(const Controller& controller);
Result<HttpResponse> put_metrics(const MetricsConfig& metrics, Controller& controller);
