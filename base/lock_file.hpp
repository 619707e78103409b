// Turns that processes take by a file. It is there as long as one of them has it, and nobody else
// may open it: a folder, or a file that others may read, could be locked by anybody. Any thread.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// Makes the file `name` in the folder `folder` (AT_FDCWD: the working one) unless it is there,
// opens it and has `lock` take locks on it, which returns 0 or an errno value
// (base/record_lock.hpp). Whoever has it removes the file before he lets go of it: who waits sees
// that it has gone, and makes another.
//
// Errors: as open(2) and `lock`; EPERM: the file is somebody else's or may be opened by others;
// EBUSY: others make and remove it all the time.
Result<UniqueFd> take_lock_file(int folder, const char* name, int (*lock)(int fd));
