// Writes the metrics' lines: one at the VM's start, one a minute, one whenever it is asked for, and
// one at the end. Of the thread that the metrics are of.
//
// Nobody waits for a reader. What a FIFO takes half of is finished before the next line; a line of
// which it takes nothing, or whose reader is gone, is counted, and what it had to tell is in the
// next one.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "monitor/metrics/metrics.hpp"

// For a sink of the metrics. Errors: as open_line_sink().
Result<UniqueFd> open_metrics(const char* path);

class MetricsWriter {
public:
    static constexpr uint64_t kIntervalNs = 60'000'000'000;

    // `sink`: of open_metrics(), or any that does not block; who gives one that may raise SIGPIPE
    // has it ignored. `metrics` outlive the writer.
    MetricsWriter(UniqueFd sink, Metrics& metrics) : sink_(std::move(sink)), metrics_(metrics) {}

    // Writes a line. Errors: EAGAIN, EPIPE of a reader that is slow or gone; as write(2).
    Result<> flush();

    // The same, if an interval is over, which the first always is. `now_ns`: monotonic. What goes
    // wrong is counted, and not said.
    void flush_if_due(uint64_t now_ns);
    // When flush_if_due() has something to do next.
    uint64_t due_ns() const { return due_ns_; }

private:
    // Writes what is left of a line. Errors: as write(2).
    Result<> finish_line();
    Result<> write_line();

    const UniqueFd sink_;
    Metrics& metrics_;
    std::string line_;    // the last one
    size_t written_ = 0;  // of it
    uint64_t due_ns_ = 0;
};
