#include "virtio/disk.hpp"

#include <fcntl.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <cinttypes>

#include "base/io_control.hpp"
#include "base/log.hpp"
#include "base/record_lock.hpp"
#include "virtio/spec.hpp"

namespace {

constexpr uint32_t kMaxBlockBytes = 4096;  // more tells a guest nothing it can use

// Who may only read a file can take read locks on all of it, and so keep everybody from a write
// lock. So a writer has its byte, which no reader of good will touches, and nothing but a write
// lock on that one (which takes the right to write) counts against it. docs/io.md.
constexpr ByteRange kWritersByte{300, 1};
// Where QEMU says what it does to an image and what others may not do, a byte for each: by read
// locks, which cannot be had while a writer holds all of them.
constexpr ByteRange kUsersBytes{100, 200};
constexpr ByteRange kReadersByte{201, 1};  // "nobody shall write"

const char* hint_to_open(int code, DiskAccess access) {
    switch (code) {
        case ENOENT:
            return "create it first, as with truncate -s 1G FILE";
        case EACCES:
        case EPERM:
        case EROFS:
            return access == DiskAccess::kReadWrite
                       ? "cannot be written; let the drive only read (,ro) or make it writable"
                       : nullptr;
        case EISDIR:
            return "name a file or a block device";
        default:
            return nullptr;
    }
}

}  // namespace

Result<Disk> Disk::open_unlocked(const char* path, DiskAccess access) {
    const int mode = access == DiskAccess::kReadOnly ? O_RDONLY : O_RDWR;
    // O_NONBLOCK: opening a FIFO without a writer must not wait. It means nothing to a disk.
    // O_NOATIME, which only the file's owner may ask for: when a guest last read its disk is
    // nobody's business, and to note it costs each read.
    const int flags = mode | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    UniqueFd fd(::open(path, flags | O_NOATIME));
    if (!fd && errno == EPERM) fd = UniqueFd(::open(path, flags));
    if (!fd) return Error{"disk", errno, hint_to_open(errno, access)}.about(path);
    Disk disk(std::move(fd), access);
    const Result<> measured = disk.measure();
    if (!measured.ok()) return measured.error().about(path);
    if (disk.size_bytes() == 0) {
        LOG_WARNING(
            "%s: holds no sector of 512 bytes; the guest sees an empty disk until that changes",
            path);
    } else if (const uint64_t rest = disk.file_bytes() - disk.size_bytes(); rest > 0) {
        LOG_WARNING("%s: the guest does not see the last %" PRIu64
                    " bytes, which fill no sector of 512",
                    path, rest);
    }
    return disk;
}

uint64_t Disk::size_bytes() const {
    return file_bytes_ - file_bytes_ % VIRTIO_BLK_SECTOR_SIZE;
}

Result<uint64_t> Disk::size_at(const char* path, DiskAccess access) {
    const Disk disk = TRY(open_unlocked(path, access));
    return disk.size_bytes();
}

Result<Disk> Disk::open(const char* path, DiskAccess access, Patience patience,
                        DiskSharing sharing) {
    Disk disk = TRY(open_unlocked(path, access));
    disk.sharing_ = sharing;
    const bool is_shared = sharing == DiskSharing::kWarned;
    const Result<Neighbours> locked = disk.take_locks(is_shared ? Patience::kNone : patience);
    if (!locked.ok() && is_shared) {
        LOG_WARNING(
            "%s: another process has this disk; two that write to one file system destroy it",
            path);
        return disk;
    }
    if (!locked.ok()) return locked.error().about(path);
    if (locked.value() == Neighbours::kReaders)
        LOG_WARNING("%s: another process reads this disk, and may see what the guest writes", path);
    return disk;
}

Result<> Disk::lock() const {
    const Result<Neighbours> locked = take_locks(Patience::kNone);
    if (!locked.ok() && sharing_ == DiskSharing::kRefused) return locked.error();
    return Ok{};
}

Result<Disk::Neighbours> Disk::take_locks(Patience patience) const {
    auto neighbours = Neighbours::kNone;
    const int locked = while_busy(
        [&] {
            const int done =
                access_ == DiskAccess::kReadOnly ? lock_to_read() : lock_to_write(neighbours);
            if (done == 0) return 0;
            // Two that begin together would each wait for the other's half.
            const int why = errno;
            unlock();
            errno = why;
            return done;
        },
        EAGAIN, static_cast<int>(patience));
    if (locked == EAGAIN)
        return Error{"disk", 0, "is in use by another process; stop that one or use a copy"};
    if (locked != 0) return Error{"disk lock", locked};
    return neighbours;
}

int Disk::lock_to_read() const {
    if (set_record_lock(fd(), RecordLock::kRead, kReadersByte) != 0) return -1;
    if (!is_write_locked(fd(), kWritersByte)) return 0;
    errno = EAGAIN;
    return -1;
}

int Disk::lock_to_write(Neighbours& neighbours) const {
    for (const ByteRange& bytes : {kWritersByte, kUsersBytes}) {
        if (set_record_lock(fd(), RecordLock::kWrite, bytes) == 0) continue;
        if (errno != EAGAIN) return -1;
        if (readers_may_write_ || is_write_locked(fd(), bytes)) {
            errno = EAGAIN;
            return -1;
        }
        neighbours = Neighbours::kReaders;
    }
    return 0;
}

void Disk::unlock() const {
    set_record_lock(fd(), RecordLock::kNone);  // fails only for what is no file
}

Result<> Disk::measure() {
    struct stat status {};
    if (::fstat(fd(), &status) != 0) return Error::from_errno("disk");
    identity_ = {.device = status.st_dev, .number = status.st_ino};
    // Of an access list the group's bits are the most that anybody has by it.
    readers_may_write_ = (status.st_mode & (S_IRGRP | S_IROTH)) == 0;
    if (S_ISDIR(status.st_mode)) return Error{"disk", EISDIR, hint_to_open(EISDIR, access_)};
    if (S_ISBLK(status.st_mode)) {
        uint64_t size = 0;
        unsigned physical = 0;
        int logical = 0;
        if (io_control(fd(), BLKGETSIZE64, &size) != 0) return Error::from_errno("BLKGETSIZE64");
        if (io_control(fd(), BLKPBSZGET, &physical) != 0) return Error::from_errno("BLKPBSZGET");
        // Older hosts open it for writing all the same.
        int is_read_only = 0;
        if (io_control(fd(), BLKROGET, &is_read_only) != 0) return Error::from_errno("BLKROGET");
        if (is_read_only != 0 && access_ == DiskAccess::kReadWrite)
            return Error{"disk", EROFS, hint_to_open(EROFS, access_)};
        if (io_control(fd(), BLKSSZGET, &logical) != 0) return Error::from_errno("BLKSSZGET");
        file_bytes_ = size;
        physical_block_bytes_ = physical;
        logical_block_bytes_ = static_cast<uint32_t>(logical);
        can_punch_holes_ = true;  // or says so when asked
    } else if (S_ISREG(status.st_mode)) {
        file_bytes_ = static_cast<uint64_t>(status.st_size);
        physical_block_bytes_ = static_cast<uint32_t>(status.st_blksize);
        // Past the end and without changing the size: nothing happens but the answer.
        can_punch_holes_ = access_ == DiskAccess::kReadWrite &&
                           ::fallocate(fd(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                                       status.st_size, kMaxBlockBytes) == 0;
    } else {
        return Error{"disk", 0, "is neither a file nor a block device"};
    }
    physical_block_bytes_ = std::clamp<uint32_t>(std::bit_floor(physical_block_bytes_),
                                                 VIRTIO_BLK_SECTOR_SIZE, kMaxBlockBytes);
    return Ok{};
}
