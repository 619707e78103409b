// Counts requests by method and resource. API thread.
#pragma once

#include "monitor/api/connection.hpp"
#include "monitor/metrics/groups.hpp"

enum class Outcome : uint8_t { kDone, kRefused };

void count_request(const HttpRequest& request, Outcome outcome, ApiRequestMetrics& metrics);
