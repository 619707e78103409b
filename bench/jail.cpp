#include "bench/jail.hpp"

#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <string>
#include <vector>

#include "base/options.hpp"
#include "bench/flags.hpp"
#include "bench/memory_folder.hpp"
#include "bench/program.hpp"
#include "bench/series.hpp"
#include "bench/statistics.hpp"

namespace {

constexpr uint64_t kMostRuns = 1'000'000;
constexpr uint64_t kMostAtOnce = 10'000;

constexpr Flag kFlags[] = {{"--runs"}, {"--warm-up"}, {"--at-once"}};

// The embedded guest in a jail of its own, with `more` flags for the jailer.
Result<Series> jailed(const MemoryFolder& folder, const char* name, const char* id,
                      std::vector<std::string> more) {
    Program program{
        .name = name,
        .words = {TRY(beside_this_program("mayfly-jailer")), "--exec-file",
                  TRY(beside_this_program("mayfly")), "--uid", "23456", "--gid", "23456",
                  "--chroot-base-dir", folder.path(), "--id", std::string(id) + Series::kRunMark}};
    program.words.insert(program.words.end(), more.begin(), more.end());
    for (const char* const word : {"--", "run", "--", "quiet"}) program.words.emplace_back(word);
    return Series{.program = std::move(program)};
}

Result<std::vector<Series>> all_series(const MemoryFolder& folder) {
    const std::string keep = "--keep-network";
    std::vector<Series> series;
    series.push_back(
        {.program = {.name = "floor", .words = {TRY(beside_this_program("mayfly-floor"))}}});
    const std::string mayfly = TRY(beside_this_program("mayfly"));
    series.push_back({.program = {.name = "mayfly run", .words = {mayfly, "run", "--", "quiet"}}});
    series.push_back({.program = {.name = "mayfly run --jail",
                                  .words = {mayfly, "run", "--jail", "--", "quiet"}}});
    // It warns at every start.
    series.push_back({.program = {.name = "mayfly --no-seccomp",
                                  .words = {mayfly, "run", "--no-seccomp", "--", "quiet"},
                                  .errors = ErrorOutput::kDropped}});
    series.push_back(TRY(jailed(folder, "mayfly-jailer", "j", {keep})));
    series.push_back(TRY(jailed(folder, "... process namespace", "p", {keep, "--new-pid-ns"})));
    series.push_back(TRY(jailed(folder, "... cgroup, clean-up", "c",
                                {keep, "--cleanup", "--cgroup", "pids.max=50"})));
    series.push_back(TRY(jailed(folder, "... empty network", "n", {})));
    return series;
}

// All are started before the first is waited for; the first output of each is timed from its own
// start.
Result<std::vector<double>> start_at_once(const Program& program, uint64_t count) {
    std::vector<Process> processes;
    std::vector<pollfd> outputs;
    for (uint64_t i = 0; i < count; ++i) {
        processes.push_back(TRY(Process::start(numbered(program, i))));
        outputs.push_back({processes.back().output_fd(), POLLIN, 0});
    }
    std::vector<double> first_us;
    while (first_us.size() < count) {
        if (::poll(outputs.data(), outputs.size(), kStartTimeoutMs) <= 0)
            return Error{"output", ETIMEDOUT, "some of the VMs have not come up"};
        for (size_t i = 0; i < count; ++i) {
            if (outputs[i].revents == 0) continue;
            first_us.push_back(TRY(processes[i].first_output_us(kStartTimeoutMs)));
            outputs[i].fd = -1;
        }
    }
    for (Process& process : processes) TRY(process.wait_for_success(kStartTimeoutMs));
    return first_us;
}

Result<> measure_at_once(const MemoryFolder& folder, uint64_t count) {
    const Series one = TRY(jailed(folder, "one", "o", {"--cleanup"}));
    std::vector<double> alone_us;
    constexpr uint64_t kAlone = 30;
    for (uint64_t i = 0; i < kAlone; ++i) {
        Process process = TRY(Process::start(numbered(one.program, i)));
        alone_us.push_back(TRY(process.first_output_us(kStartTimeoutMs)));
        TRY(process.wait_for_success(kStartTimeoutMs));
    }
    const Series many = TRY(jailed(folder, "many", "m", {"--cleanup"}));
    const double begin_us = now_us();
    const std::vector<double> first_us = TRY(start_at_once(many.program, count));
    const double all_us = now_us() - begin_us;
    std::printf(
        "%llu jailed VMs at once: first output after %.0f us (median), %.0f us (p99); all over in "
        "%.0f us; one alone: %.0f us; p99 over that: %.1f, over the median: %.1f\n",
        static_cast<unsigned long long>(count), median(first_us), percentile(first_us, 99), all_us,
        median(alone_us), percentile(first_us, 99) / median(alone_us),
        percentile(first_us, 99) / median(first_us));
    return Ok{};
}

}  // namespace

Result<> jail(std::span<const char* const> arguments) {
    constexpr uint64_t kDefaultRuns = 300;
    constexpr uint64_t kDefaultWarmUp = 20;
    constexpr uint64_t kDefaultAtOnce = 100;
    const Options options = TRY(Options::parse(kFlags, arguments));
    const uint64_t runs = TRY(number_of(options, "--runs", kDefaultRuns, 1, kMostRuns));
    const uint64_t warm_up = TRY(number_of(options, "--warm-up", kDefaultWarmUp, 0, kMostRuns));
    const uint64_t at_once = TRY(number_of(options, "--at-once", kDefaultAtOnce, 1, kMostAtOnce));
    TRY(check_kvm());
    if (::geteuid() != 0) return Error{"jail", EPERM, "run it as root"};
    const MemoryFolder folder = TRY(MemoryFolder::create());
    std::vector<Series> series = TRY(all_series(folder));
    TRY(run_in_turn(series, warm_up, runs));
    print_series(series);
    return measure_at_once(folder, at_once);
}
