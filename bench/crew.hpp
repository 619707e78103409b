// VMs that are started one after the other and kept, for someone else to look at. One thread.
#pragma once

#include <optional>
#include <vector>

#include "bench/api_vm.hpp"
#include "bench/lines.hpp"
#include "bench/plan.hpp"

class Crew {
public:
    Crew() = default;
    Crew(const Crew&) = delete;
    Crew& operator=(const Crew&) = delete;
    // Ends them all, at once: the kernel takes some milliseconds for each, which so pass together.
    ~Crew();

    // One more, whose guest has printed when this returns. With requests it is told by its API what
    // to run, and the client stays connected. Errors: as PlannedProgram::create(), ApiVm, and
    // Process::first_output_us().
    Result<pid_t> add(const Fields& fields);

private:
    struct Kept {
        Process process;
        std::optional<HttpClient> client;
    };

    static Result<Kept> start_by_api(const Program& program, const Fields& fields, int limit_ms);

    std::vector<Kept> kept_;
};

// Adds one for each line of `input`, and answers each with a record, until `input` ends. Errors:
// EINTR; as read(2), write(2).
Result<> keep_crew(int input, Lines& lines);
