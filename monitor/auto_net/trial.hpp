// Whether this host can make what `--net auto` needs, for `mayfly doctor`: the same TAP and the
// same rules, in a network namespace that nobody else has. Main thread.
#pragma once

#include "base/result.hpp"

// Both leave nothing behind. Errors: those that --net auto would have.
Result<> try_tap();
// `lo` stands in for the TAP.
Result<> try_rules();
