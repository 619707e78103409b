// The process of one VM in Firecracker's mode: what main owns, and its way from a configuration to
// the VM's end. Main thread.
#pragma once

#include <memory>
#include <optional>

#include "base/event_fd.hpp"
#include "base/result.hpp"
#include "monitor/api/config_file.hpp"
#include "monitor/api/controller.hpp"
#include "monitor/machine/signals.hpp"
#include "monitor/process/api_thread.hpp"
#include "monitor/process/machine_control.hpp"
#include "monitor/process/own_jail.hpp"
#include "monitor/process/start_gate.hpp"
#include "monitor/process/vmm_options.hpp"
#include "monitor/sandbox/fault_guard.hpp"

class VmmProcess final : private InstanceStarter {
public:
    // Both outlive the process.
    VmmProcess(const VmmOptions& options, Timeline& timeline);

    // Says why the process ends: in its log, and on stderr, where its caller looks.
    void report(const Error& error) const;

    // The descriptors that the command line names. Errors: they are none that will do.
    Result<> adopt_descriptors();

    // What the command line and the configuration file say, with all files that they name opened.
    // Errors: those of the configuration.
    Result<> configure();

    // Until the VM's end, or a signal's. Returns the exit status. Errors: what this process could
    // not do. Precondition: configure(), and for that
    // adopt_descriptors().
    Result<int> run();

private:
    Result<> enter_jail();
    Result<> open_api();
    Result<> say_ready();
    void prepare_any();
    void prepare(uint64_t memory_bytes);
    // Until somebody has started the VM. Returns the exit status where the process ends before.
    std::optional<int> wait_for_start();
    std::optional<int> take_signal();
    bool follow_order();
    Result<int> run_to_the_end();
    int status_of_end();

    // InstanceStarter, for main itself.
    Result<RunningVm*> start(const Config& config, HostFiles& files) override;
    void foresee(uint64_t /*memory_bytes*/) override {}
    Result<> create_machine(const Config& config, HostFiles& files);

    const VmmOptions& options_;
    Timeline& timeline_;
    // Destroyed from the last to the first: the API before the machine, that before what it uses.
    Observation observation_;
    VmSettings settings_;
    HostFiles files_;
    ConfigFile config_file_;
    Controller controller_{settings_, files_, observation_};
    std::optional<Filters> filters_;
    std::optional<Signals> signals_;
    std::optional<OwnJail> jail_;
    UniqueFd ready_;
    UniqueFd trace_;
    std::optional<BlankVm> blank_;  // made while there was time
    std::optional<EventFd> memory_lost_;
    std::optional<Terminal> terminal_;
    std::unique_ptr<Machine> machine_;
    std::optional<FaultGuard> guard_;
    std::optional<MachineControl> control_;
    UniqueFd api_socket_;
    std::unique_ptr<StartGate> gate_;
    std::optional<ApiThread> api_;
};
