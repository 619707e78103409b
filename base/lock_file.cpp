#include "base/lock_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/trusted_folder.hpp"

Result<UniqueFd> take_lock_file(int folder, const char* name, int (*lock)(int fd)) {
    constexpr int kFlags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    constexpr const char* kWhat = "lock file";
    constexpr int kAttempts = 100;
    for (int i = 0; i < kAttempts; ++i) {
        UniqueFd file(::openat(folder, name, kFlags, S_IRUSR | S_IWUSR));
        struct stat ours {};
        if (!file || ::fstat(file.get(), &ours) != 0) return Error::from_errno(kWhat);
        if (ours.st_uid != ::geteuid() || (ours.st_mode & (S_IRWXG | S_IRWXO)) != 0)
            return Error{kWhat, EPERM, "is not ours"};
        if (const int failed = lock(file.get()); failed != 0) return Error{kWhat, failed};
        // Whoever had it may have removed it meanwhile, and the next one has made another.
        struct stat there {};
        if (::fstatat(folder, name, &there, AT_SYMLINK_NOFOLLOW) == 0 && is_same_file(there, ours))
            return file;
    }
    return Error{kWhat, EBUSY};
}
