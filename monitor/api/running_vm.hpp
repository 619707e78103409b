// What the API may do to a VM that runs, and how it has one started. On its thread.
#pragma once

#include <cstddef>
#include <string>

#include "base/result.hpp"
#include "monitor/machine/after_restore.hpp"
#include "monitor/machine/config.hpp"
#include "monitor/machine/host_files.hpp"
#include "monitor/machine/saved_machine.hpp"
#include "monitor/metrics/metrics.hpp"

class RunningVm {
public:
    // See Machine.
    virtual Result<> pause() = 0;
    virtual Result<> resume() = 0;

    // The number of a drive or NIC is that in the Config. See DeviceUpdates.
    virtual Result<> change_drive(size_t number, const std::string& path) = 0;
    virtual Result<> limit_drive(size_t number, const RateLimiterConfig& limits) = 0;
    virtual Result<> limit_nic(size_t number, const RateLimiterConfig& receive,
                               const RateLimiterConfig& transmit) = 0;

    // Precondition: is paused. See Machine::create_snapshot().
    virtual Result<> create_snapshot(const SnapshotTarget& target) = 0;

    // See I8042.
    virtual Result<> send_ctrl_alt_del() = 0;

    // Its counters are among `metrics` from now on.
    virtual void attach_to(Metrics& metrics) const = 0;

protected:
    ~RunningVm() = default;
};

class InstanceStarter {
public:
    // The VM that `config` describes runs when this returns. `config` and `files` outlive it. After
    // an error it may be tried again.
    virtual Result<RunningVm*> start(const Config& config, HostFiles& files) = 0;

    // What the VM was that the files say: restore() begins with it. Errors: those of
    // SavedMachine::read().
    virtual Result<Config> read_snapshot(SnapshotFiles& snapshot) = 0;

    // As start(), but the VM begins where the last read_snapshot() says. Precondition: there was
    // one. `config` is what that returned, with other files and TAPs perhaps.
    virtual Result<RunningVm*> restore(const Config& config, HostFiles& files,
                                       AfterRestore after) = 0;

    // It will probably have this much RAM, in ordinary pages: what can be prepared for it may be,
    // meanwhile.
    virtual void foresee(uint64_t memory_bytes) = 0;

protected:
    ~InstanceStarter() = default;
};
