#include "bench/compare_table.hpp"

#include <array>
#include <cstdio>

#include "bench/statistics.hpp"
#include "bench/version.hpp"

namespace {

std::string ratio_to(const Contestant& reference, const Contestant& one) {
    const Interval interval = ratio_interval(one.first_output_us, reference.first_output_us);
    const double ratio = median(one.first_output_us) / median(reference.first_output_us);
    std::array<char, 64> text{};
    std::snprintf(text.data(), text.size(), "%7.2f [%6.2f .. %6.2f]", ratio, interval.low,
                  interval.high);
    return text.data();
}

// Where the clock does not show it: "-".
std::string microseconds(double us) {
    if (us <= 0) return "-";
    return std::to_string(static_cast<long long>(us));
}

void print_program(const ComparedProgram& program, const Guest& guest,
                   const Contestant* reference) {
    const Contestant& one = *program.contestant;
    const std::string version(version_number(program.version));
    const double all_us = median(one.first_output_us);
    std::printf("%-17s %-10s %-10.10s %9.0f %9.0f %9.0f %25s %9s %9s %8.0f\n",
                one.program.name.c_str(), guest.name.c_str(), version.c_str(), all_us,
                percentile(one.first_output_us, 99), percentile(one.first_output_us, 0),
                reference == nullptr ? "-" : ratio_to(*reference, one).c_str(),
                microseconds(program.vmm_us).c_str(), microseconds(program.guest_us).c_str(),
                median(one.end_us));
}

}  // namespace

void print_compared(std::span<const ComparedProgram> programs, const Guest& guest,
                    const Contestant* reference) {
    std::printf(
        "\nfirst output in us after spawn, %zu runs each; ratio of medians to %s, with its "
        "95 %% interval; end in us from kill to reaped\n",
        programs.front().contestant->end_us.size(),
        reference == nullptr ? "nothing" : reference->program.name.c_str());
    std::printf("%-17s %-10s %-10s %9s %9s %9s %25s %9s %9s %8s\n", "program", "guest", "version",
                "median", "p99", "min", "ratio", "VMM", "guest", "end");
    for (const ComparedProgram& program : programs) print_program(program, guest, reference);
    std::fflush(stdout);
}
