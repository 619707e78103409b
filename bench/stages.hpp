// Where the time of a Mayfly start goes: the stages of `mayfly run --trace`, as durations one after
// the other from spawn to first output. METHOD.md, "mayfly-bench startup". One thread.
#pragma once

#include <array>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/program.hpp"
#include "bench/results.hpp"

// "spawn" is what the trace does not have: until the process's own start, and from the write to the
// reader.
inline constexpr std::array kStageNames = {
    "spawn", "exec",   "options", "kvm", "memory",     "devices",
    "load",  "tables", "sandbox", "cpu", "first exit", "first output",
};
using StageTimes = std::array<double, kStageNames.size()>;  // us each, in that order

// The stages of a start whose trace is `trace`. Their sum is `first_output_us`. Errors: EPROTO, it
// is no trace, or a stage is missing.
Result<StageTimes> parse_stages(const std::string& trace, double first_output_us);

// A Mayfly that writes its trace, and the stages of its runs.
class TracedMayfly {
public:
    // Errors: as memfd_create(2).
    static Result<TracedMayfly> create(const std::string& mayfly);

    // It boots the unikernel, which ends by itself; the trace is there when it has ended.
    Program program() const;

    // Adds the stages of the last run. Errors: as parse_stages(), read(2).
    Result<> add(double first_output_us);

    std::span<const StageSamples> stages() const { return stages_; }

private:
    TracedMayfly(std::string mayfly, UniqueFd trace)
        : mayfly_(std::move(mayfly)), trace_(std::move(trace)) {
        for (const char* const name : kStageNames)
            stages_.push_back({.name = name, .samples_us = {}});
    }

    std::string mayfly_;
    UniqueFd trace_;
    std::vector<StageSamples> stages_;
};

// Medians of what the monitor and what the guest took; nothing without a run.
struct MonitorAndGuest {
    double monitor_us;
    double guest_us;
};
std::optional<MonitorAndGuest> monitor_and_guest(std::span<const StageSamples> stages);

// A table of medians. Precondition: each has a sample.
void print_stages(std::span<const StageSamples> stages);
