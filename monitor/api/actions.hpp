// /actions: the VM is started, its keyboard used, and the counters written. API thread.
#pragma once

#include <cstdint>

#include "monitor/api/controller.hpp"

enum class ApiAction : uint8_t { kInstanceStart, kFlushMetrics, kSendCtrlAltDel };

Result<ApiAction> parse_action(const JsonNode& body);
Result<HttpResponse> act(ApiAction action, Controller& controller);
