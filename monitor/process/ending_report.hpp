// What a VM's end says: to its user, in lines of the log, and to the metrics. Main thread.
#pragma once

#include <cstdint>

#include "base/event_fd.hpp"
#include "monitor/console/stdio.hpp"
#include "monitor/machine/ending.hpp"
#include "monitor/machine/shape.hpp"
#include "monitor/metrics/metrics.hpp"
#include "monitor/sandbox/peer_signals.hpp"

// `kind` and `stdio`: the VM's. `timeout_ms`: the one that was given, if any.
void report_ending(const Ending& ending, StdioKind kind, uint64_t timeout_ms, const Stdio& stdio);

// `memory_lost`: readable where guest memory was.
void count_ending(const Ending& ending, const EventFd& memory_lost, Metrics& metrics);

// The line in which Firecracker's clients look for a signal, and its metric.
void log_signal(const NotedSignal& signal);
void count_signal(int signal, Metrics& metrics);
