// /vm: a VM that runs is paused, or runs on. API thread.
#pragma once

#include <cstdint>

#include "monitor/api/controller.hpp"

enum class VmActivity : uint8_t { kPaused, kResumed };

Result<VmActivity> parse_vm_state(const JsonNode& body);
Result<HttpResponse> change_vm_state(VmActivity state, Controller& controller);
