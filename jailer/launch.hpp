// From a command line to a monitor in its jail. Main thread.
#pragma once

#include "base/result.hpp"
#include "jailer/jail_options.hpp"

// Enters the jail and executes the program there: returns only on failure, and nothing is left
// then. In the order of docs/jail.md.
Error launch(const JailOptions& options);
