// Something that is measured again and again, in turn with others. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/pinned.hpp"
#include "base/result.hpp"
#include "bench/plan.hpp"

class Probe : Pinned {
public:
    Probe() = default;
    virtual ~Probe() = default;

    // One turn of round `round`. Everything that it started is over when this returns. Errors: what
    // kept it from measuring; EINTR after a signal (interrupt.hpp).
    virtual Result<std::vector<double>> measure(uint64_t round) = 0;

    // What the last turn left in the file that its program was given. Errors: as read(2).
    virtual Result<std::string> left_file() { return std::string(); }

    // What the program of the last turn said last on its standard error, if that is kept.
    virtual std::string last_words() const { return {}; }
};

// The probe that `fields` describe; "way" names its kind, and METHOD.md has all of them. Errors:
// EPROTO, there is no such kind; as PlannedProgram::create().
Result<std::unique_ptr<Probe>> make_probe(const Fields& fields);

// The kinds, each in its file.
Result<std::unique_ptr<Probe>> make_start(const Fields& fields);        // "start"
Result<std::unique_ptr<Probe>> make_crowd(const Fields& fields);        // "crowd"
Result<std::unique_ptr<Probe>> make_output_rate(const Fields& fields);  // "output rate"
Result<std::unique_ptr<Probe>> make_guest_rate(const Fields& fields);   // "guest rate"
Result<std::unique_ptr<Probe>> make_api_ready(const Fields& fields);    // "API ready"
Result<std::unique_ptr<Probe>> make_api_start(const Fields& fields);    // "API start"
Result<std::unique_ptr<Probe>> make_api_answers(const Fields& fields);  // "API answers"
Result<std::unique_ptr<Probe>> make_ring_reads(const Fields& fields);   // "ring reads"
Result<std::unique_ptr<Probe>> make_ring_writes(const Fields& fields);  // "ring writes"
