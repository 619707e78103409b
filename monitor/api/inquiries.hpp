// The answers to GET, which are the same before and after the start.
#pragma once

#include "monitor/api/connection.hpp"
#include "monitor/api/request.hpp"
#include "monitor/api/settings.hpp"
#include "monitor/metrics/metrics.hpp"

HttpResponse answer_inquiry(Inquiry inquiry, const VmSettings& settings, const char* state,
                            const Metrics& metrics);
