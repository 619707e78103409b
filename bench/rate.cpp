#include "bench/rate.hpp"

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/comparison.hpp"
#include "bench/crowded_starts.hpp"
#include "bench/flags.hpp"
#include "bench/fleet.hpp"
#include "bench/interrupt.hpp"
#include "bench/results.hpp"
#include "bench/version.hpp"

namespace {

constexpr char kGuest[] = "unikernel";
constexpr Flag kFlags[] = {
    {"--most"}, {"--starts"}, {"--rounds"}, {"--mayfly"}, {"--floor"}, {"--results"},
};

struct Plan {
    uint64_t most;
    uint64_t starts;
    uint64_t rounds;
    Program floor;
    Program mayfly;
};

Result<Plan> make_plan(const Options& options) {
    constexpr uint64_t kDefaultMost = 64;
    constexpr uint64_t kLimitMost = 4096;
    constexpr uint64_t kDefaultStarts = 400;
    constexpr uint64_t kMostStarts = 1'000'000;
    constexpr uint64_t kDefaultRounds = 5;
    constexpr uint64_t kMostRounds = 1000;
    Plan plan{.most = TRY(number_of(options, "--most", kDefaultMost, 1, kLimitMost)),
              .starts = TRY(number_of(options, "--starts", kDefaultStarts, 1, kMostStarts)),
              .rounds = TRY(number_of(options, "--rounds", kDefaultRounds, 1, kMostRounds)),
              .floor = {},
              .mayfly = {}};
    const std::string floor = TRY(path_of(options, "--floor", "mayfly-floor"));
    const std::string mayfly = TRY(path_of(options, "--mayfly", "mayfly"));
    plan.floor = {.name = "floor", .words = {floor}};
    plan.mayfly = {.name = "mayfly", .words = {mayfly, "run", "--", "quiet"}};
    return plan;
}

Result<> measure(const Plan& plan, Results& results) {
    const auto rate_of = [&plan](const Program& program, uint64_t in_flight) {
        return starts_per_second(program, in_flight, plan.starts);
    };
    TRY(results.program(plan.floor, kGuest, ""));
    TRY(results.program(plan.mayfly, kGuest, TRY(version_of(plan.mayfly.words.front()))));
    TRY(rate_of(plan.floor, 1));  // warms up
    TRY(rate_of(plan.mayfly, 1));
    print_heading("starts a second", "floor");
    for (uint64_t in_flight = 1; in_flight <= plan.most; in_flight *= 2) {
        const Comparison rates = TRY(compare(
            plan.rounds, [&] { return rate_of(plan.floor, in_flight); },
            [&] { return rate_of(plan.mayfly, in_flight); }));
        print_row((std::to_string(in_flight) + " in flight").c_str(), rates);
        TRY(results.rate("floor", kGuest, in_flight, rates.reference));
        TRY(results.rate("mayfly", kGuest, in_flight, rates.guest));
    }
    return Ok{};
}

}  // namespace

Result<> rate(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const Plan plan = TRY(make_plan(options));
    TRY(check_kvm());
    constexpr size_t kOfEach = 2;  // its output and, when it ends, its pidfd
    TRY(allow_descriptors((plan.most + kMostEnding) * kOfEach));
    watch_for_signals();
    return record_run(options.get("--results"),
                      {.command = "rate", .arguments = arguments, .reference = "floor"},
                      [&](Results& results) { return measure(plan, results); });
}
