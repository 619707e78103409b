#include "bench/compare.hpp"

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "bench/compare_plan.hpp"
#include "bench/compare_table.hpp"
#include "bench/contest.hpp"
#include "bench/flags.hpp"
#include "bench/interrupt.hpp"
#include "bench/memory_folder.hpp"
#include "bench/results.hpp"
#include "bench/series.hpp"
#include "bench/stages.hpp"
#include "bench/statistics.hpp"
#include "bench/version.hpp"

namespace {

class MonitorComparison {
public:
    MonitorComparison(const ComparePlan& plan, std::string home, Results& results)
        : plan_(plan), home_(std::move(home)), results_(results) {}

    // Errors: those of compare_monitors().
    Result<> run() {
        TRY(name_missing_peers());
        for (const Guest& guest : plan_.guests) TRY(run_guest(guest));
        return Ok{};
    }

private:
    Result<> name_absent(const char* program, const Guest& guest, const std::string& reason) {
        std::printf("%s with %s: %s\n", program, guest.name.c_str(), reason.c_str());
        std::fflush(stdout);
        return results_.absent(program, guest.name.c_str(), reason);
    }

    Result<> name_missing_peers() {
        bool has_peer = false;
        for (const Installed& one : plan_.programs) {
            if (!one.path.empty()) {
                has_peer = has_peer || (one.monitor != &kFloor && one.monitor != &kMayfly);
                continue;
            }
            const std::string reason =
                std::string("is not installed; give --peer ") + one.monitor->name + "=PATH";
            std::printf("%s: %s\n", one.monitor->name, reason.c_str());
            for (const Guest& guest : plan_.guests)
                TRY(results_.absent(one.monitor->name, guest.name.c_str(), reason));
        }
        if (!has_peer)
            std::printf("no peer is installed: only the floor and Mayfly are measured\n");
        std::fflush(stdout);
        return Ok{};
    }

    // Those that are installed and boot the guest, as far as one knows without trying.
    Result<std::vector<Contestant>> contestants_for(const Guest& guest) {
        std::vector<Contestant> contestants;
        for (const Installed& one : plan_.programs) {
            if (one.path.empty()) continue;
            if (const char* const refusal = one.monitor->refusal(guest); refusal != nullptr) {
                TRY(name_absent(one.monitor->name, guest, refusal));
                continue;
            }
            contestants.push_back(
                TRY(make_contestant(*one.monitor, one.path, guest, plan_.kvm, home_)));
        }
        return contestants;
    }

    Result<> name_unfit(std::span<const Contestant> contestants, const Guest& guest) {
        for (const Contestant& one : contestants)
            if (!one.absence.empty())
                TRY(name_absent(one.program.name.c_str(), guest, one.absence));
        return Ok{};
    }

    Result<> run_guest(const Guest& guest) {
        if (!guest.absence.empty()) {
            std::printf("guest %s: %s\n", guest.name.c_str(), guest.absence.c_str());
            for (const Installed& one : plan_.programs)
                if (!one.path.empty())
                    TRY(results_.absent(one.monitor->name, guest.name.c_str(), guest.absence));
            return Ok{};
        }
        std::vector<Contestant> contestants = TRY(contestants_for(guest));
        TRY(try_each(contestants, plan_.rounds.limit_ms, guest.name + ", first try"));
        TRY(name_unfit(contestants, guest));
        if (!contestants.front().absence.empty())
            return Error{"the floor fails, and with it every ratio", 0, "see above"};
        std::erase_if(contestants, [](const Contestant& one) { return !one.absence.empty(); });
        const auto outcome = run_rounds(contestants, plan_.rounds, guest.name);
        TRY(name_unfit(contestants, guest));
        std::erase_if(contestants, [](const Contestant& one) { return one.end_us.empty(); });
        if (!contestants.empty()) {
            TRY(print(contestants, guest));
            TRY(record(contestants, guest));
        }
        return outcome;
    }

    const Installed& installed(const Contestant& contestant) const {
        return *std::find_if(plan_.programs.begin(), plan_.programs.end(), [&](const auto& one) {
            return contestant.program.name == one.monitor->name;
        });
    }

    // The monitor's time is that with the stub, which has next to none of its own; the rest is the
    // guest's. The unikernel runs under Mayfly alone, which tells both.
    Result<ComparedProgram> take_apart(const Contestant& one, const Guest& guest) {
        ComparedProgram program{.contestant = &one, .version = installed(one).version};
        if (one.program.name == kFloor.name) return program;
        const double all_us = median(one.first_output_us);
        if (guest.name == "stub") {
            program.vmm_us = stub_us_[one.program.name] = all_us;
        } else if (guest.protocol == BootProtocol::kEmbedded) {
            if (const auto parts = TRY(trace(installed(one).path, guest))) {
                program.vmm_us = parts->monitor_us;
                program.guest_us = parts->guest_us;
            }
        } else if (const auto stub = stub_us_.find(one.program.name); stub != stub_us_.end()) {
            program.vmm_us = stub->second;
            program.guest_us = all_us - stub->second;
        }
        return program;
    }

    // Records where the time goes, too. Nothing where it does not work, or where a signal ends it:
    // the next run ends by that too.
    Result<std::optional<MonitorAndGuest>> trace(const std::string& mayfly, const Guest& guest) {
        TracedMayfly traced = TRY(TracedMayfly::create(mayfly));
        Series series{.program = traced.program(),
                      .after_round = [&](double first_us) { return traced.add(first_us); }};
        if (!run_in_turn({&series, 1}, plan_.rounds.warm_up, plan_.rounds.runs).ok())
            return std::optional<MonitorAndGuest>();
        TRY(results_.stages(kMayfly.name, guest.name.c_str(), traced.stages()));
        return monitor_and_guest(traced.stages());
    }

    Result<> print(std::span<const Contestant> contestants, const Guest& guest) {
        // Linux boots much longer than the floor, of which a ratio would say nothing.
        const char* const wanted = guest.is_linux ? kMayfly.name : kFloor.name;
        const Contestant* reference = nullptr;
        std::vector<ComparedProgram> programs;
        for (const Contestant& one : contestants) {
            if (one.program.name == wanted) reference = &one;
            programs.push_back(TRY(take_apart(one, guest)));
        }
        print_compared(programs, guest, reference);
        return Ok{};
    }

    Result<> record(std::span<const Contestant> contestants, const Guest& guest) {
        for (const Contestant& one : contestants) {
            const char* const name = one.program.name.c_str();
            TRY(results_.program(one.program, guest.name.c_str(), installed(one).version));
            TRY(results_.samples(name, guest.name.c_str(), "first output", "us",
                                 one.first_output_us));
            TRY(results_.samples(name, guest.name.c_str(), "end", "us", one.end_us));
        }
        return Ok{};
    }

    const ComparePlan& plan_;
    std::string home_;
    Results& results_;
    std::map<std::string, double> stub_us_;  // the medians with it
};

// A program that cannot be started is named when it is tried. Errors: EINTR.
Result<> find_versions(std::span<Installed> programs) {
    for (Installed& one : programs) {
        if (one.path.empty() || one.monitor == &kFloor) continue;
        auto version = version_of(one.path);
        if (version.ok())
            one.version = std::move(version).value();
        else if (version.error().code == EINTR)
            return version.error();
    }
    return Ok{};
}

}  // namespace

Result<> compare_monitors(std::span<const char* const> arguments) {
    ComparePlan plan = TRY(make_compare_plan(arguments));
    TRY(check_kvm());
    watch_for_signals();
    std::optional<MemoryFolder> home;
    for (const Installed& one : plan.programs)
        if (one.monitor->writes_home && !one.path.empty())
            home.emplace(TRY(MemoryFolder::create()));
    return record_run(plan.results,
                      {.command = "compare", .arguments = arguments, .reference = kFloor.name},
                      [&](Results& results) -> Result<> {
                          TRY(find_versions(plan.programs));
                          return MonitorComparison(plan, home ? home->path() : "", results).run();
                      });
}
