// The other side of the API: a VM that runs, and who starts it. Tests only.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "monitor/api/running_vm.hpp"

// A VM that notes what it is told, and fails where the test says so.
class FakeVm final : public RunningVm {
public:
    Result<> pause() override { return note("pause"); }
    Result<> resume() override { return note("resume"); }
    Result<> change_drive(size_t number, const std::string& path) override {
        return note("drive " + std::to_string(number) + " " + path, path.c_str());
    }
    Result<> limit_drive(size_t number, const RateLimiterConfig& limits) override {
        return note("limit drive " + std::to_string(number) + text(limits));
    }
    Result<> limit_nic(size_t number, const RateLimiterConfig& receive,
                       const RateLimiterConfig& transmit) override {
        return note("limit nic " + std::to_string(number) + text(receive) + text(transmit));
    }
    Result<> create_snapshot(const SnapshotTarget& target) override {
        return note("snapshot " + target.state_path + " " + target.memory_path +
                    (target.sync ? "" : " unsynced"));
    }
    Result<> send_ctrl_alt_del() override { return note("ctrl+alt+del"); }
    void attach_to(Metrics& /*metrics*/) const override { ++attached; }

    std::vector<std::string> calls{};
    std::optional<Error> error{};  // of the next calls
    mutable int attached = 0;

private:
    Result<> note(std::string call, std::string_view subject = {}) {
        if (error.has_value()) return error->about(subject);
        calls.push_back(std::move(call));
        return Ok{};
    }
    static std::string text(const TokenBucketConfig& bucket) {
        return " " + std::to_string(bucket.size) + "+" + std::to_string(bucket.one_time_burst) +
               "/" + std::to_string(bucket.refill_time_ms);
    }
    static std::string text(const RateLimiterConfig& limits) {
        return text(limits.bandwidth) + text(limits.ops);
    }
};

// Starts the fake VM: takes what a machine takes, and gives it up where it fails.
class FakeStarter final : public InstanceStarter {
public:
    explicit FakeStarter(FakeVm& vm) : vm_(vm) {}

    void foresee(uint64_t memory_bytes) override { foreseen.push_back(memory_bytes); }

    Result<RunningVm*> start(const Config& wanted, HostFiles& files) override {
        ++starts;
        config = wanted;
        taken = files.take_devices();
        kernel = files.images().kernel.name();
        if (!error.has_value()) return &vm_;
        taken = {};
        return *error;
    }

    Result<Config> read_snapshot(SnapshotFiles& /*snapshot*/) override {
        if (error.has_value()) return *error;
        return saved;
    }

    Result<RunningVm*> restore(const Config& wanted, HostFiles& files,
                               AfterRestore after) override {
        restored = after;
        return start(wanted, files);
    }

    Config saved{};  // what the next snapshot says
    std::optional<AfterRestore> restored{};
    int starts = 0;
    std::vector<uint64_t> foreseen{};  // bytes of RAM
    std::optional<Error> error{};      // of the next starts
    Config config{};                   // of the last start
    DeviceFiles taken{};
    std::string kernel{};

private:
    FakeVm& vm_;
};
