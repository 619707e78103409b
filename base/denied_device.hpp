// Why open(2) of a device was denied: what its mode says, which is what everybody thinks of, or
// something else. Any thread, before filters.
#pragma once

#include <sys/statvfs.h>
#include <unistd.h>

// For EACCES or EPERM of the device at `path`, to be read and written: a hint. `by_mode`: the one
// for whom the mode does not allow it.
inline const char* hint_to_denied_device(const char* path, const char* by_mode) {
    struct statvfs mount {};
    if (::statvfs(path, &mount) == 0 && (mount.f_flag & ST_NODEV) != 0)
        return "is on a mount with the option nodev; mount it without";
    if (::access(path, R_OK | W_OK) == 0)
        return "its mode allows it, but Landlock, a security module or the cgroup's list of "
               "devices does not";
    return by_mode;
}
