// What the API does before the VM runs: it takes the configuration, part by part, opens what that
// names, and starts the instance. A request that fails changes nothing. API thread, or main where a
// configuration file is read.
#pragma once

#include "monitor/api/connection.hpp"
#include "monitor/api/request.hpp"
#include "monitor/api/running_vm.hpp"
#include "monitor/api/settings.hpp"
#include "monitor/metrics/observation.hpp"

class PrebootController {
public:
    // All outlive the controller.
    PrebootController(VmSettings& settings, HostFiles& files, Observation& observation)
        : settings_(settings), files_(files), observation_(observation) {}

    // Errors are good until the next request, as long as this one.
    Result<HttpResponse> answer(const ApiRequest& request, InstanceStarter& starter);

    // What a configuration file asks for. Errors: the same.
    Result<HttpResponse> configure(const ApiRequest& part);

    // The VM that an answer has started; nullptr before.
    RunningVm* started() const { return started_; }

private:
    Result<HttpResponse> on(Inquiry inquiry);
    Result<HttpResponse> on(const MachineChange& change);
    Result<HttpResponse> on(const BootSource& source);
    Result<HttpResponse> on(const DriveConfig& drive);
    Result<HttpResponse> on(const NicConfig& nic);
    Result<HttpResponse> on(const SerialConfig& serial);
    Result<HttpResponse> on(const LoggerConfig& logger);
    Result<HttpResponse> on(const MetricsConfig& metrics);
    Result<HttpResponse> on(ApiAction action);
    // What needs a VM that runs.
    Result<HttpResponse> on(const DriveChange& change);
    Result<HttpResponse> on(const NicChange& change);
    Result<HttpResponse> on(VmState state);

    Config& begin_change();
    // Checks what begin_change() gave, opens what it names, and takes it.
    Result<HttpResponse> finish_change();
    Result<HttpResponse> start_instance();

    VmSettings& settings_;
    HostFiles& files_;
    Observation& observation_;
    InstanceStarter* starter_ = nullptr;  // during answer()
    Config candidate_;                    // outlives the errors about it
    RunningVm* started_ = nullptr;
};
