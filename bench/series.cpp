#include "bench/series.hpp"

#include <cstdio>

#include "bench/statistics.hpp"

Program numbered(const Program& program, uint64_t run) {
    Program numbered = program;
    for (std::string& word : numbered.words)
        if (const size_t at = word.find(Series::kRunMark); at != std::string::npos)
            word.replace(at, sizeof(Series::kRunMark) - 1, std::to_string(run));
    return numbered;
}

namespace {

// One run. It is over, and its process reaped, when this returns.
Result<> run_once(Series& series, uint64_t run, bool counted) {
    const char* const name = series.program.name.c_str();
    Process process = TRY(Process::start(numbered(series.program, run)));
    const auto first_us = process.first_output_us(kStartTimeoutMs);
    if (!first_us.ok()) return first_us.error().about(name);
    const auto end = process.wait_for_success(kStartTimeoutMs);
    if (!end.ok()) return end.error().about(name);
    if (!counted) return Ok{};
    series.first_output_us.push_back(first_us.value());
    series.exit_us.push_back(end.value().exit_us);
    return Ok{};
}

}  // namespace

Result<> run_in_turn(std::span<Series> series, uint64_t warm_up, uint64_t runs) {
    for (uint64_t round = 0; round < warm_up + runs; ++round) {
        for (size_t i = 0; i < series.size(); ++i) {
            const size_t turn = round % 2 == 0 ? i : series.size() - 1 - i;
            TRY(run_once(series[turn], round, round >= warm_up));
        }
    }
    return Ok{};
}

void print_series(std::span<const Series> series, uint64_t runs) {
    std::printf(
        "first output and end in us after spawn, %llu runs each; floors: ratio of medians "
        "to the first line, with its 95 %% interval\n",
        static_cast<unsigned long long>(runs));
    std::printf("%-22s %9s %9s %9s %7s %15s %9s\n", "program", "median", "p99", "min", "floors", "",
                "end");
    const Series& floor = series.front();
    for (const Series& it : series) {
        const auto& samples = it.first_output_us;
        const Interval interval = ratio_interval(samples, floor.first_output_us);
        std::printf("%-22.22s %9.0f %9.0f %9.0f %7.2f [%5.2f .. %5.2f] %9.0f\n",
                    it.program.name.c_str(), median(samples), percentile(samples, 99),
                    percentile(samples, 0), median(samples) / median(floor.first_output_us),
                    interval.low, interval.high, median(it.exit_us));
    }
}
