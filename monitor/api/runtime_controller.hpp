// What the API does while the VM runs: it pauses it, changes drives and limits, and tells. A
// request that fails changes nothing. API thread.
#pragma once

#include "monitor/api/connection.hpp"
#include "monitor/api/request.hpp"
#include "monitor/api/running_vm.hpp"
#include "monitor/api/settings.hpp"
#include "monitor/metrics/observation.hpp"

class RuntimeController {
public:
    // `settings` are those that `vm` was started with. The others outlive the controller.
    RuntimeController(VmSettings settings, RunningVm& vm, Observation& observation);

    // Errors are good as long as the request.
    Result<HttpResponse> answer(const ApiRequest& request);

private:
    Result<HttpResponse> on(Inquiry inquiry);
    Result<HttpResponse> on(ApiAction action);
    Result<HttpResponse> on(VmState state);
    Result<HttpResponse> on(const DriveChange& change);
    Result<HttpResponse> on(const NicChange& change);
    // What is for a VM that has not started.
    Result<HttpResponse> on(const MachineChange& change);
    Result<HttpResponse> on(const BootSource& source);
    Result<HttpResponse> on(const DriveConfig& drive);
    Result<HttpResponse> on(const NicConfig& nic);
    Result<HttpResponse> on(const SerialConfig& serial);
    Result<HttpResponse> on(const LoggerConfig& logger);
    Result<HttpResponse> on(const MetricsConfig& metrics);

    VmSettings settings_;
    RunningVm& vm_;
    Observation& observation_;
    VmState state_ = VmState::kResumed;
};
