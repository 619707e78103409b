// A program to measure: what to run, and one run of it. Owned by the probe that measures; one
// thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

enum class ErrorOutput { kOurs, kDropped };

struct Program {
    std::string name;                // as errors say it
    std::vector<std::string> words;  // the command line; words[0] is a path
    ErrorOutput errors = ErrorOutput::kOurs;
    int error_fd = -1;  // one of ours that its errors go to; -1: as `errors` says
    int given_fd = -1;  // one of ours that it has too, as kGivenFd; -1: none
    std::vector<std::string> environment{};  // "NAME=VALUE", beside or instead of ours

    static constexpr int kGivenFd = 3;
    // Where a word has kRunMark, the number of the run stands in its place.
    static constexpr std::string_view kRunMark = "{run}";
};

// `program` as it is started the time `run`.
Program numbered(const Program& program, uint64_t run);

// CLOCK_MONOTONIC in microseconds.
double now_us();

// Waits until `fd` is readable or its writers are gone. Errors: ETIMEDOUT at `deadline_us`; EINTR
// after a signal (interrupt.hpp).
Result<> wait_readable(int fd, double deadline_us);

// One started program with its standard output on a pipe, standard input empty. A process still
// there when this is destroyed is killed and reaped, and what it started itself is killed.
class Process {
public:
    // The clock starts here. Errors: as spawn().
    static Result<Process> start(const Program& program);

    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    Process(Process&& other) noexcept;
    Process& operator=(Process&& other) noexcept;
    ~Process();

    pid_t pid() const { return pid_; }
    double started_us() const { return started_us_; }
    // Readable when there is output, or an end of it.
    int output_fd() const { return output_.get(); }

    // Waits for the first byte of output. Returns the microseconds from the start to its arrival.
    // Errors: ETIMEDOUT after `timeout_ms`, EPIPE when the program closed its output without a
    // byte.
    Result<double> first_output_us(int timeout_ms) const;

    // Waits until the output has `text`, whatever comes before it. Returns the microseconds from
    // the start to its arrival. Errors: ENODATA where there was no output within `timeout_ms`,
    // ETIMEDOUT where there was other output, EPIPE when the program closed its output without it.
    Result<double> text_us(std::string_view text, int timeout_ms) const;

    // The first line of output, cut at 4 KiB. Errors: ETIMEDOUT, EINTR.
    Result<std::string> first_line(int timeout_ms) const;

    // Kills the program and reaps it. Returns the microseconds that took.
    double kill_us();
    // The first half of it: whoever ends many has them end together.
    void send_kill() const;

    // Reads the rest of the output and reaps the program. Errors: ETIMEDOUT when its output is
    // still open after `timeout_ms`.
    struct End {
        double exit_us;      // from the start until it was reaped
        int status;          // the exit status, or 128 + signal
        std::string output;  // what first_output_us() has not taken
    };
    Result<End> wait_for_end(int timeout_ms);
    // The same, and another status than 0 is an error too: a failed run measures nothing.
    Result<End> wait_for_success(int timeout_ms);

private:
    Process(pid_t pid, UniqueFd output, double started_us)
        : pid_(pid), output_(std::move(output)), started_us_(started_us) {}

    pid_t pid_;
    UniqueFd output_;
    double started_us_;
};
