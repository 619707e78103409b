// Landlock (landlock(7)), where the kernel has it.
#pragma once

#include "base/result.hpp"

// From here on the calling thread, and those that it starts, can open, make, change and remove no
// file or folder, and neither bind nor connect a TCP socket; nor connect to an abstract socket
// (from Linux 6.12 on) or signal another process (where 6.15's fix of that is). What is open stays
// so. Does nothing on a kernel without Landlock. Precondition: no_new_privs. Errors: as
// landlock_restrict_self(2).
Result<> forbid_all_files();

// The same, but files and folders can be opened, and files made, removed, and renamed in their
// folder: for a thread that opens and replaces what it is told to. It can execute nothing, and
// touch no folder. Precondition and errors: the same.
Result<> forbid_all_but_opening();
