#include "bench/compare_plan.hpp"

#include <algorithm>
#include <cstdlib>
#include <limits>

#include "base/options.hpp"
#include "bench/flags.hpp"
#include "bench/machine_facts.hpp"

namespace {

constexpr uint64_t kDefaultRuns = 30;
constexpr double kBudgetUs = 180e6;  // for the rounds, where nobody says how many
constexpr uint64_t kDefaultWarmUp = 3;
constexpr uint64_t kMostRuns = 100'000;
constexpr uint64_t kDefaultLimitMs = 10'000;
constexpr uint64_t kMostLimitMs = 600'000;

constexpr Flag kFlags[] = {
    {"--peer", FlagValue::kRequired, FlagCount::kRepeatable},
    {"--guest", FlagValue::kRequired, FlagCount::kRepeatable},
    {"--runs"},
    {"--warm-up"},
    {"--limit"},
    {"--mayfly"},
    {"--floor"},
    {"--results"},
};

Result<std::vector<Installed>> find_programs(const Options& options) {
    std::vector<GivenPeer> given;
    for (const char* const text : options.all("--peer")) {
        given.push_back(TRY(parse_peer(text)));
        for (size_t i = 0; i + 1 < given.size(); ++i)
            if (given[i].monitor == given.back().monitor)
                return Error{"--peer", 0, "this peer is given twice"}.about(text);
    }
    std::vector<Installed> programs = {
        {.monitor = &kFloor, .path = TRY(path_of(options, "--floor", kFloor.file_names[0]))},
        {.monitor = &kMayfly, .path = TRY(path_of(options, "--mayfly", kMayfly.file_names[0]))}};
    const char* const path = std::getenv("PATH");  // NOLINT(concurrency-mt-unsafe): one thread
    for (const Monitor& peer : peers()) {
        const auto one = std::find_if(given.begin(), given.end(), [&](const GivenPeer& candidate) {
            return candidate.monitor == &peer;
        });
        programs.push_back({.monitor = &peer,
                            .path = one != given.end()
                                        ? one->path
                                        : find_program(peer.file_names, path ? path : "")});
    }
    return programs;
}

Result<std::vector<Guest>> find_guests(const Options& options, std::string_view kvm) {
    std::vector<const char*> names = options.all("--guest");
    if (names.empty()) names.assign(std::begin(kGuestNames), std::end(kGuestNames));
    std::vector<Guest> guests;
    for (const char* const name : names) {
        const auto guest = find_guest(name, kvm);
        if (!guest.ok()) return guest.error().about(name);
        for (const Guest& before : guests)
            if (before.name == name)
                return Error{"--guest", 0, "this guest is given twice"}.about(name);
        guests.push_back(guest.value());
    }
    return guests;
}

Result<int> limit_of(const Options& options) {
    const char* const text = options.get("--limit");
    if (text == nullptr) return static_cast<int>(kDefaultLimitMs);
    const uint64_t limit_ms = TRY(named("--limit", text, parse_duration_ms(text)));
    if (limit_ms == 0 || limit_ms > kMostLimitMs)
        return Error{"--limit", 0, "give 1ms to 10m"}.about(text);
    return static_cast<int>(limit_ms);
}

}  // namespace

Result<ComparePlan> make_compare_plan(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    ComparePlan plan{
        .rounds = {.warm_up = TRY(number_of(options, "--warm-up", kDefaultWarmUp, 0, kMostRuns)),
                   .runs = TRY(number_of(options, "--runs", kDefaultRuns, 1, kMostRuns)),
                   .limit_ms = TRY(limit_of(options)),
                   .budget_us =
                       options.has("--runs") ? std::numeric_limits<double>::infinity() : kBudgetUs},
        .programs = TRY(find_programs(options)),
        .guests = {},
        .kvm = MachineFacts::read().kvm,
        .results = options.get("--results")};
    plan.guests = TRY(find_guests(options, plan.kvm));
    plan.rounds.budget_us /= static_cast<double>(plan.guests.size());
    return plan;
}
