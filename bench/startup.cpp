#include "bench/startup.hpp"

#include <cstdio>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.hpp"
#include "bench/disk_file.hpp"
#include "bench/flags.hpp"
#include "bench/program.hpp"
#include "bench/statistics.hpp"
#include "bench/tap.hpp"

namespace {

constexpr uint64_t kDefaultRuns = 300;
constexpr uint64_t kDefaultWarmUp = 20;
constexpr uint64_t kMostRuns = 1'000'000;
constexpr int kTimeoutMs = 30'000;

constexpr Flag kFlags[] = {
    {"--runs"}, {"--warm-up"}, {"--mayfly"}, {"--floor"}, {"--devices", FlagValue::kNone},
};

struct Series {
    Program program;
    std::vector<double> first_output_us{};
    std::vector<double> exit_us{};
};

// What the guest of the third series has: a drive and a NIC.
struct Devices {
    DiskFile disk;
    PersistentTap tap;

    static Result<Devices> create() {
        constexpr uint64_t kDiskBytes = 16 << 20;
        return Devices{TRY(DiskFile::create(kDiskBytes)), TRY(PersistentTap::create(kTap))};
    }
    static constexpr char kTap[] = "mfbench1";
};

struct Plan {
    uint64_t runs;
    uint64_t warm_up;
    std::vector<Series> series;  // the floor is the first
    std::optional<Devices> devices{};
};

// Takes every `--command VALUE` out of `arguments`.
Result<std::vector<Series>> take_commands(std::vector<const char*>& arguments) {
    std::vector<Series> commands;
    for (auto at = arguments.begin(); at != arguments.end();) {
        if (std::string_view(*at) != "--command") {
            ++at;
            continue;
        }
        if (at + 1 == arguments.end()) return Error{"--command", EINVAL, "needs NAME=CMD"};
        commands.push_back({.program = TRY(parse_program(at[1]))});
        at = arguments.erase(at, at + 2);
    }
    return commands;
}

Result<Plan> make_plan(std::span<const char* const> arguments) {
    std::vector<const char*> rest(arguments.begin(), arguments.end());
    std::vector<Series> commands = TRY(take_commands(rest));
    const Options options = TRY(Options::parse(kFlags, rest));
    Plan plan{.runs = TRY(number_of(options, "--runs", kDefaultRuns, 1, kMostRuns)),
              .warm_up = TRY(number_of(options, "--warm-up", kDefaultWarmUp, 0, kMostRuns)),
              .series = {}};
    plan.series.push_back(
        {.program = {.name = "floor",
                     .words = {TRY(path_of(options, "--floor", "mayfly-floor"))}}});
    plan.series.push_back({.program = {.name = "mayfly run",
                                       .words = {TRY(path_of(options, "--mayfly", "mayfly")), "run",
                                                 "--", "quiet"}}});
    if (options.has("--devices")) {
        plan.devices.emplace(TRY(Devices::create()));
        plan.series.push_back(
            {.program = {.name = "with drive and NIC",
                         .words = {plan.series.back().program.words.front(), "run", "--disk",
                                   plan.devices->disk.path(), "--net",
                                   std::string("tap=") + Devices::kTap, "--", "quiet"}}});
    }
    for (Series& command : commands) plan.series.push_back(std::move(command));
    return plan;
}

// One run. It is over, and its process reaped, when this returns.
Result<> run_once(Series& series, bool counted) {
    const char* const name = series.program.name.c_str();
    Process process = TRY(Process::start(series.program));
    const auto first_us = process.first_output_us(kTimeoutMs);
    if (!first_us.ok()) return first_us.error().about(name);
    const auto end = process.wait_for_success(kTimeoutMs);
    if (!end.ok()) return end.error().about(name);
    if (!counted) return Ok{};
    series.first_output_us.push_back(first_us.value());
    series.exit_us.push_back(end.value().exit_us);
    return Ok{};
}

// The programs take turns, there and back (A B B A), so that a drift of the machine falls on all.
Result<> run_all(Plan& plan) {
    for (uint64_t round = 0; round < plan.warm_up + plan.runs; ++round) {
        for (size_t i = 0; i < plan.series.size(); ++i) {
            const size_t turn = round % 2 == 0 ? i : plan.series.size() - 1 - i;
            TRY(run_once(plan.series[turn], round >= plan.warm_up));
        }
    }
    return Ok{};
}

void print(const Plan& plan) {
    std::printf(
        "first output and end in us after spawn, %llu runs each; floors: ratio of medians "
        "to the first line, with its 95 %% interval\n",
        static_cast<unsigned long long>(plan.runs));
    std::printf("%-22s %9s %9s %9s %7s %15s %9s\n", "program", "median", "p99", "min", "floors", "",
                "end");
    const Series& floor = plan.series.front();
    for (const Series& series : plan.series) {
        const auto& samples = series.first_output_us;
        const Interval interval = ratio_interval(samples, floor.first_output_us);
        std::printf("%-22.22s %9.0f %9.0f %9.0f %7.2f [%5.2f .. %5.2f] %9.0f\n",
                    series.program.name.c_str(), median(samples), percentile(samples, 99),
                    percentile(samples, 0), median(samples) / median(floor.first_output_us),
                    interval.low, interval.high, median(series.exit_us));
    }
}

}  // namespace

Result<> startup(std::span<const char* const> arguments) {
    Plan plan = TRY(make_plan(arguments));
    TRY(check_kvm());
    TRY(run_all(plan));
    print(plan);
    return Ok{};
}
