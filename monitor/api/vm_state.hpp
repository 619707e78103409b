// /vm: a VM that runs is paused, or runs on. API thread.
#pragma once

#include <cstdint>

#include "monitor/api/controller.hpp"

enum class VmState : uint8_t { kPaused, kResumed };

Result<VmState> parse_vm_state(const JsonNode& body);
Result<HttpResponse> change_vm_state(VmState state, Controller& controller);
