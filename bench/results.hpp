// What was measured, as JSON lines: a record a line, appended to a file as soon as it is known.
// results.schema.json is the format, METHOD.md says what the records mean. One thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/program.hpp"

// What all records of a run have in common: what was run, and what its ratios refer to.
struct RunDescription {
    const char* command;                     // the subcommand
    std::span<const char* const> arguments;  // its flags
    const char* reference = "";              // a program's name
};

struct StageSamples {
    const char* name;
    std::vector<double> samples_us;  // a duration a round
};

struct DensityPoint {
    uint64_t vms;        // that were alive
    double process_kib;  // a VM: the process's private memory, the guest's touched pages among it
    double kernel_kib;   // a VM: what MemAvailable lost besides
};

class Results {
public:
    // Writes the run's record behind what the file has. `path`: nullptr, and nothing
    // is kept, and everything below succeeds. Errors: as open(2) and write(2), about
    // `path`; EBUSY where another measurement writes to it; a file that holds something else, which
    // stays as it is.
    static Result<Results> create(const char* path, const RunDescription& run);

    // Errors of all of them: as write(2), about the file, which ends with the record before then.
    // `version`: what the program says of it.
    Result<> program(const Program& program, const char* guest, std::string_view version);
    Result<> samples(const char* program, const char* guest, const char* figure, const char* unit,
                     std::span<const double> samples);
    Result<> stages(const char* program, const char* guest, std::span<const StageSamples> stages);
    Result<> density(const char* program, const char* guest, uint64_t guest_memory_kib,
                     std::span<const DensityPoint> points);
    Result<> rate(const char* program, const char* guest, uint64_t in_flight,
                  std::span<const double> starts_per_second);
    Result<> absent(const char* program, const char* guest, std::string_view reason);
    // How the run ended: `outcome` is its error, if it had one.
    Result<> end(const Result<>& outcome);

private:
    Results(std::string path, UniqueFd file, std::string run)
        : path_(std::move(path)), file_(std::move(file)), run_(std::move(run)) {}

    template <typename Fill>
    Result<> record(const char* type, Fill fill);
    Result<> append(std::string_view line) const;

    std::string path_;
    UniqueFd file_;    // none: nothing is kept
    std::string run_;  // the run's name, in every record
};

// Runs `measure`, and leaves a record of how it ended. Errors: those of `measure` and of Results.
Result<> record_run(const char* path, const RunDescription& run,
                    const std::function<Result<>(Results&)>& measure);
