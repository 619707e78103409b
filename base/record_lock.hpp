// Locks on bytes of a file that belong to an open file description, as flock(2)'s do: fcntl(2),
// "Open file description locks". They end with the last descriptor of it, and another description
// of the same process is somebody else. A read lock needs no more than a descriptor that reads; a
// write lock needs one that writes, and any read lock of somebody else's is in its way. Any thread.
#pragma once

#include <fcntl.h>

enum class RecordLock : short { kRead = F_RDLCK, kWrite = F_WRLCK, kNone = F_UNLCK };

struct ByteRange {
    off_t start = 0;
    off_t length = 0;  // 0: to the end, wherever that is
};

inline struct flock record_of(RecordLock kind, ByteRange range) {
    struct flock record {};
    record.l_type = static_cast<short>(kind);
    record.l_whence = SEEK_SET;
    record.l_start = range.start;
    record.l_len = range.length;
    return record;
}

// Without waiting. 0, or -1 with errno: EAGAIN where somebody else's lock is in the way.
inline int set_record_lock(int fd, RecordLock kind, ByteRange range = {}) {
    const struct flock record = record_of(kind, range);
    return ::fcntl(fd, F_OFD_SETLK, &record);
}

// True if somebody else has a write lock there, or if that cannot be told.
inline bool is_write_locked(int fd, ByteRange range) {
    struct flock record = record_of(RecordLock::kRead, range);
    return ::fcntl(fd, F_OFD_GETLK, &record) != 0 || record.l_type != F_UNLCK;
}
