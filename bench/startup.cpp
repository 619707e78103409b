#include "bench/startup.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/options.hpp"
#include "bench/disk_file.hpp"
#include "bench/flags.hpp"
#include "bench/program.hpp"
#include "bench/series.hpp"
#include "bench/tap.hpp"

namespace {

constexpr uint64_t kDefaultRuns = 300;
constexpr uint64_t kDefaultWarmUp = 20;
constexpr uint64_t kMostRuns = 1'000'000;

constexpr Flag kFlags[] = {
    {"--runs"}, {"--warm-up"}, {"--mayfly"}, {"--floor"}, {"--devices", FlagValue::kNone},
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

}  // namespace

Result<> startup(std::span<const char* const> arguments) {
    Plan plan = TRY(make_plan(arguments));
    TRY(check_kvm());
    TRY(run_in_turn(plan.series, plan.warm_up, plan.runs));
    print_series(plan.series, plan.runs);
    return Ok{};
}
