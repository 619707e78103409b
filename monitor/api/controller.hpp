// What answers the API: it takes the configuration, part by part, opens what that names, starts the
// VM, and from then on has it paused and changed. What a request is and does stands in
// resources.hpp and in the file of its resource; what they share is here. A request that fails
// changes nothing.
//
// Owned by main, which has a configuration file applied; the API's thread, where there is one, has
// it to itself.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/called_as.hpp"
#include "monitor/api/connection.hpp"
#include "monitor/api/json.hpp"
#include "monitor/api/running_vm.hpp"
#include "monitor/machine/after_restore.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/metrics/logger_config.hpp"
#include "monitor/metrics/observation.hpp"

struct Resource;
struct RefusedResource;

// All that a client or a configuration file has said: the VM, and where log and metrics go.
struct VmSettings {
    std::string id = "anonymous-instance";
    Config config{};
    std::optional<LoggerConfig> logger{};
    std::optional<MetricsConfig> metrics{};
    CalledAs called = CalledAs::kItself;
    bool accepts_absent =
        false;  // what Mayfly does not have: with a warning, in place of a refusal
};

// In which state of the VM something is taken: before InstanceStart, after it, or in both.
enum class When : uint8_t { kBefore, kAfter, kAlways };

// A VM that runs.
struct RunningInstance {
    RunningVm& vm;
    VmSettings settings;  // those that it was started with, and what was changed since
    bool is_paused = false;
};

class Controller {
public:
    // All outlive the controller. From the start on `settings` stay as they are, for main to read.
    Controller(VmSettings& settings, HostFiles& files, Observation& observation)
        : settings_(settings), files_(files), observation_(observation) {}

    // Who starts the VM, when it comes to that. It outlives the controller.
    void start_with(InstanceStarter& starter) { starter_ = &starter; }

    // What a client is told. Counts and logs the request. Slashes at a path's end are as none.
    HttpResponse answer(HttpRequest http);

    // The same without that. Errors: there is no such resource; what is wrong with the body; that
    // the VM is in another state; those of the resource.
    Result<HttpResponse> serve(HttpRequest http);

    // As a client would ask for it. Errors: what it would be told.
    Result<> start_instance();

    // What the VM in these files was. Errors: it cannot be loaded any more, since something has
    // been configured; those of open(2), of InstanceStarter::read_snapshot().
    Result<Config> read_snapshot(const std::string& state_path, const std::string& memory_path);
    // That VM with `config`. Errors: as take() and start_instance().
    Result<> restore_instance(Config config, AfterRestore after);

    // `vm` runs with these settings.
    void on_started(RunningVm& vm);

    // --- For resources --------------------------------------------------------------------------

    Result<> expect(When when) const;

    VmSettings& settings() { return running_.has_value() ? running_->settings : settings_; }
    const VmSettings& settings() const {
        return running_.has_value() ? running_->settings : settings_;
    }
    Observation& observation() const { return observation_; }

    // As `GET /` tells it.
    const char* state() const;

    // Precondition: expect(When::kAfter).
    RunningInstance& running() { return *running_; }

    // Checks `config`, opens what it names, and has it take the place of the one there is. Errors:
    // of validate() and HostFiles::open_missing(). Precondition: expect(When::kBefore).
    Result<HttpResponse> take(Config config);

    // `name`, a literal, which Mayfly does not have, is asked for, and clients are told that it is
    // done; the first time with a warning. Errors: whoever started this process does not want that;
    // `why`.
    Result<> accept_absent(std::string_view name, const char* why);

    // The VM will probably have as much RAM as the configuration says, and what is made ahead then
    // has no PMU and no huge pages: for one that has, nothing is.
    void foresee() const;

private:
    Result<HttpResponse> answer_absent(const RefusedResource& absent, const HttpRequest& http);
    void log(const HttpRequest& http, const HttpResponse& response) const;
    void log_fault(const HttpRequest& http, int status, const char* why) const;

    VmSettings& settings_;
    bool is_configured_ = false;  // something of the VM
    HostFiles& files_;
    Observation& observation_;
    InstanceStarter* starter_ = nullptr;
    std::optional<RunningInstance> running_;
    std::vector<std::string_view> accepted_;  // of what is absent
};
