// Probes that take turns, there and back (A B, B A), so that a drift of the machine falls on all
// alike. One thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "bench/lines.hpp"
#include "bench/plan.hpp"
#include "bench/probe.hpp"

struct Contestant {
    std::string name;
    std::unique_ptr<Probe> probe;
    bool has_left_file = false;  // goes into the records
    bool is_absent = false;      // it failed, and is left out from then on
};

struct Rounds {
    std::vector<Contestant> contestants;
    uint64_t warm_up;  // rounds that are not counted, before the others
    uint64_t runs;
    double budget_us;  // for all of them: no more rounds are begun when it is spent, but one
                       // counts; 0: as long as it takes
    bool leaves_out;   // a contestant that fails is left out; else it ends the rounds

    // Errors: EPROTO, the plan is wrong; as make_probe().
    static Result<Rounds> create(const Fields& plan);

    // A record for each round, as soon as all of it is known, and one for each contestant that is
    // left out. A round that a signal ends has none. Errors: of a contestant, about its name;
    // EINTR.
    Result<> run(Lines& lines);
};
