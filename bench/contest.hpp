// Programs that boot the same guest, started again and again in turn until the guest's first words
// have come. METHOD.md, "mayfly-bench compare". One thread.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "bench/monitors.hpp"
#include "bench/program.hpp"

struct Contestant {
    Program program;
    std::string marker;   // where its clock stops
    UniqueFd given_file;  // Program::given_fd
    UniqueFd error_file;  // Program::error_fd
    std::vector<double> first_output_us{};
    std::vector<double> end_us{};  // from the kill until it was reaped
    std::string absence{};         // why it is not among the figures; "": it is
};

// `monitor`, installed at `path`, with `guest`; `home` is a folder that may be written to. Errors:
// as memfd_create(2), write(2).
Result<Contestant> make_contestant(const Monitor& monitor, const std::string& path,
                                   const Guest& guest, std::string_view kvm,
                                   const std::string& home);

// One uncounted run of each, so that one that does not boot the guest costs `limit_ms` once: its
// `absence` says what it did. Errors: EINTR.
Result<> try_each(std::span<Contestant> contestants, int limit_ms, const std::string& title);

struct Rounds {
    uint64_t warm_up;
    uint64_t runs;
    int limit_ms;      // for each start
    double budget_us;  // for all of them: no more rounds are begun when it is spent, but one counts
};

// There and back (A B B A), the first `warm_up` rounds not counted. One that fails is absent from
// then on. Errors: EINTR, and the rounds that were finished are kept; all have as many.
Result<> run_rounds(std::span<Contestant> contestants, const Rounds& rounds,
                    const std::string& title);

// The last line of `text` that is not empty, without its end.
std::string_view last_line(std::string_view text);
