#include "bench/density.hpp"

#include <unistd.h>

#include <cinttypes>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/flags.hpp"
#include "bench/fleet.hpp"
#include "bench/guest.hpp"
#include "bench/interrupt.hpp"
#include "bench/line_fit.hpp"
#include "bench/machine_facts.hpp"
#include "bench/results.hpp"
#include "bench/version.hpp"

namespace {

constexpr char kGuest[] = "stub";
constexpr uint64_t kFloorMemoryKib = 128 << 10;
constexpr uint64_t kPoints = 10;
// What ended before is taken apart in the background, and monitors settle.
constexpr useconds_t kSettleUs = 500'000;

constexpr Flag kFlags[] = {
    {"--vms"}, {"--memory"}, {"--reserve"}, {"--mayfly"}, {"--floor"}, {"--stub"}, {"--results"},
};

struct Subject {
    Program program;
    uint64_t guest_memory_kib;
};

struct Plan {
    uint64_t vms;
    uint64_t reserve_kib;
    std::vector<Subject> subjects;
};

struct Crowd {
    std::vector<DensityPoint> points;
    Result<> stopped = Ok{};  // what the machine said before all were there
};

Result<uint64_t> size_kib(const Options& options, const char* flag, const char* otherwise) {
    const char* const text = options.get(flag);
    if (text == nullptr) return TRY(parse_size(otherwise)) / 1024;
    const auto bytes = parse_size(text);
    if (!bytes.ok()) return bytes.error().about(flag);
    return bytes.value() / 1024;
}

Result<Plan> make_plan(const Options& options) {
    constexpr uint64_t kDefaultVms = 2000;
    constexpr uint64_t kMostVms = 100'000;
    const char* const memory = options.get("--memory");
    Plan plan{.vms = TRY(number_of(options, "--vms", kDefaultVms, 1, kMostVms)),
              .reserve_kib = TRY(size_kib(options, "--reserve", "1G")),
              .subjects = {}};
    const std::string floor = TRY(path_of(options, "--floor", "mayfly-floor"));
    plan.subjects.push_back({.program = {.name = "floor", .words = {floor, "--stay"}},
                             .guest_memory_kib = kFloorMemoryKib});
    const std::string mayfly = TRY(path_of(options, "--mayfly", "mayfly"));
    const std::string stub = TRY(file_of(options, "--stub", kStubFile));
    const char* const memory_text = memory != nullptr ? memory : "128M";
    const uint64_t memory_kib = TRY(size_kib(options, "--memory", memory_text));
    plan.subjects.push_back(
        {.program = {.name = "mayfly",
                     .words = {mayfly, "run", "--kernel", stub, "--memory", memory_text}},
         .guest_memory_kib = memory_kib});
    return plan;
}

// What ends a crowd before it is complete, and is no failure.
bool is_full(const Error& error) {
    return error.code == EAGAIN || error.code == ENOMEM || error.code == EMFILE ||
           error.code == ENFILE;
}

Result<DensityPoint> look_at(const Fleet& fleet, uint64_t available_before_kib) {
    ::usleep(kSettleUs);
    const auto vms = static_cast<double>(fleet.size());
    const auto process_kib = static_cast<double>(TRY(fleet.private_kib()));
    const double all_kib =
        static_cast<double>(available_before_kib) - static_cast<double>(available_kib());
    return DensityPoint{.vms = fleet.size(),
                        .process_kib = process_kib / vms,
                        .kernel_kib = (all_kib - process_kib) / vms};
}

Result<> add_up_to(Fleet& fleet, uint64_t vms, const Program& program, uint64_t reserve_kib) {
    while (fleet.size() < vms) {
        if (was_signalled()) return interruption();
        if (available_kib() < reserve_kib)
            return Error{"memory", ENOMEM, "what is left is to be kept; see --reserve"};
        TRY(fleet.add(program));
    }
    return Ok{};
}

Result<Crowd> measure(const Subject& subject, const Plan& plan) {
    ::usleep(kSettleUs);
    const uint64_t before_kib = available_kib();
    Fleet fleet;
    Crowd crowd;
    for (uint64_t point = 1; point <= kPoints && crowd.stopped.ok(); ++point) {
        crowd.stopped =
            add_up_to(fleet, plan.vms * point / kPoints, subject.program, plan.reserve_kib);
        if (!crowd.stopped.ok() && !is_full(crowd.stopped.error())) return crowd.stopped.error();
        if (fleet.size() == (crowd.points.empty() ? 0 : crowd.points.back().vms)) continue;
        const DensityPoint found = TRY(look_at(fleet, before_kib));
        std::printf("%-12s %7" PRIu64 " %12.0f %12.0f %12.0f\n", subject.program.name.c_str(),
                    found.vms, found.process_kib, found.kernel_kib,
                    found.process_kib + found.kernel_kib);
        std::fflush(stdout);
        crowd.points.push_back(found);
    }
    return crowd;
}

void print_fit(const Subject& subject, const Crowd& crowd) {
    const char* const name = subject.program.name.c_str();
    if (!crowd.stopped.ok()) {
        char reason[256];
        format_error(crowd.stopped.error(), reason);
        std::printf("%s: no more than %" PRIu64 " VMs: %s\n", name,
                    crowd.points.empty() ? 0 : crowd.points.back().vms, reason);
    }
    if (crowd.points.size() < 2) return;
    std::vector<FitPoint> points;
    for (const DensityPoint& point : crowd.points) {
        const auto vms = static_cast<double>(point.vms);
        points.push_back({vms, vms * (point.process_kib + point.kernel_kib)});
    }
    const LineFit fit = fit_line(points);
    std::printf("%s: each VM more takes %.0f KiB (R^2 %.3f)\n", name, fit.slope, fit.r_squared);
}

Result<> measure_all(const Plan& plan, Results& results) {
    std::printf("%-12s %7s %12s %12s %12s\n", "KiB per VM", "VMs", "process", "kernel", "all");
    for (const Subject& subject : plan.subjects) {
        const char* const name = subject.program.name.c_str();
        const bool is_floor = &subject == &plan.subjects.front();
        TRY(results.program(subject.program, kGuest,
                            is_floor ? "" : TRY(version_of(subject.program.words.front()))));
        const Crowd crowd = TRY(measure(subject, plan));
        print_fit(subject, crowd);
        if (crowd.points.empty()) return crowd.stopped;
        TRY(results.density(name, kGuest, subject.guest_memory_kib, crowd.points));
    }
    return Ok{};
}

}  // namespace

Result<> density(std::span<const char* const> arguments) {
    const Options options = TRY(Options::parse(kFlags, arguments));
    const Plan plan = TRY(make_plan(options));
    TRY(check_kvm());
    TRY(allow_descriptors(plan.vms));
    watch_for_signals();
    return record_run(options.get("--results"),
                      {.command = "density", .arguments = arguments, .reference = "floor"},
                      [&](Results& results) { return measure_all(plan, results); });
}
