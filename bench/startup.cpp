#include "bench/startup.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.hpp"
#include "bench/disk_file.hpp"
#include "bench/flags.hpp"
#include "bench/interrupt.hpp"
#include "bench/program.hpp"
#include "bench/results.hpp"
#include "bench/series.hpp"
#include "bench/stages.hpp"
#include "bench/tap.hpp"
#include "bench/version.hpp"

namespace {

constexpr uint64_t kDefaultRuns = 300;
constexpr uint64_t kDefaultWarmUp = 20;
constexpr uint64_t kMostRuns = 1'000'000;

constexpr Flag kFlags[] = {
    {"--runs"},
    {"--warm-up"},
    {"--mayfly"},
    {"--floor"},
    {"--devices", FlagValue::kNone},
    {"--stages", FlagValue::kNone},
    {"--results"},
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
    std::optional<TracedMayfly> traced{};
    bool prints_stages = false;
    const char* results = nullptr;
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
    const std::string mayfly = TRY(path_of(options, "--mayfly", "mayfly"));
    const std::string floor = TRY(path_of(options, "--floor", "mayfly-floor"));
    plan.series.push_back({.program = {.name = "floor", .words = {floor}}});
    plan.series.push_back({.program = {.name = "mayfly", .words = {mayfly, "run", "--", "quiet"}}});
    if (options.has("--devices")) {
        plan.devices.emplace(TRY(Devices::create()));
        plan.series.push_back(
            {.program = {.name = "with drive and NIC",
                         .words = {mayfly, "run", "--disk", plan.devices->disk.path(), "--net",
                                   std::string("tap=") + Devices::kTap, "--", "quiet"}}});
    }
    plan.prints_stages = options.has("--stages");
    plan.results = options.get("--results");
    if (plan.prints_stages || plan.results != nullptr) {
        plan.traced.emplace(TRY(TracedMayfly::create(mayfly)));
        plan.series.push_back({.program = plan.traced->program()});
    }
    for (Series& command : commands) plan.series.push_back(std::move(command));
    return plan;
}

void print(const Plan& plan) {
    print_series(plan.series);
    if (plan.prints_stages) print_stages(plan.traced->stages());
}

Result<> record(const Plan& plan, Results& results) {
    if (plan.results == nullptr) return Ok{};
    constexpr char kGuest[] = "unikernel";
    for (const Series& one : plan.series) {
        const char* const name = one.program.name.c_str();
        TRY(results.samples(name, kGuest, "first output", "us", one.first_output_us));
        TRY(results.samples(name, kGuest, "end", "us", one.exit_us));
    }
    return results.stages("mayfly", kGuest, plan.traced->stages());
}

// What was finished is printed and recorded also when a signal ends it.
Result<> measure(Plan& plan, Results& results) {
    for (const Series& one : plan.series) {
        const bool is_floor = &one == &plan.series.front();
        TRY(results.program(one.program, "unikernel",
                            is_floor ? "" : TRY(version_of(one.program.words.front()))));
    }
    const auto outcome = run_in_turn(plan.series, plan.warm_up, plan.runs);
    if (plan.series.front().exit_us.empty()) return outcome;
    print(plan);
    const auto recorded = record(plan, results);
    return outcome.ok() ? recorded : outcome;
}

}  // namespace

Result<> startup(std::span<const char* const> arguments) {
    Plan plan = TRY(make_plan(arguments));
    TRY(check_kvm());
    watch_for_signals();
    if (plan.traced)
        for (Series& one : plan.series)
            if (one.program.given_fd >= 0)
                one.after_round = [&](double first_us) { return plan.traced->add(first_us); };
    return record_run(plan.results,
                      {.command = "startup", .arguments = arguments, .reference = "floor"},
                      [&](Results& results) { return measure(plan, results); });
}
