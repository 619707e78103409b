// Signals that end a measurement. One thread.
#pragma once

#include "base/result.hpp"

// From now on SIGINT, SIGTERM and SIGHUP end a measurement, and no more, so that what was made for
// it is cleared away. They are blocked here, but not in the programs that are started.
void watch_for_signals();

// Whether one came.
bool was_signalled();

// Readable once one came; -1 where nobody watches.
int signal_fd();

// EINTR: what a measurement that was ended returns.
Error interruption();
