// A machine that runs, as the API sees it. Owned by main; the API's thread calls it.
#pragma once

#include "monitor/api/running_vm.hpp"
#include "monitor/machine/machine.hpp"

class MachineControl final : public RunningVm {
public:
    // `machine` outlives it, and was made with Changes::kAllowed.
    explicit MachineControl(Machine& machine) : machine_(machine) {}

    Result<> pause() override { return machine_.pause(); }
    Result<> resume() override { return machine_.resume(); }
    Result<> change_drive(size_t number, const std::string& path) override {
        return machine_.updates().change_drive(number, path);
    }
    Result<> limit_drive(size_t number, const RateLimiterConfig& limits) override {
        return machine_.updates().limit_drive(number, limits);
    }
    Result<> limit_nic(size_t number, const RateLimiterConfig& receive,
                       const RateLimiterConfig& transmit) override {
        return machine_.updates().limit_nic(number, receive, transmit);
    }
    Result<> create_snapshot(const SnapshotTarget& target) override {
        return machine_.create_snapshot(target);
    }
    Result<> send_ctrl_alt_del() override { return machine_.send_ctrl_alt_del(); }
    void attach_to(Metrics& metrics) const override { machine_.attach_to(metrics); }

private:
    Machine& machine_;
};
