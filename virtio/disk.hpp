// A disk's file on the host: opened, checked and described. What is done to it goes through the
// I/O engine, by its descriptor; so a file that shrinks under us means a short read, never SIGBUS.
//
// Opened on the main thread, before the guest runs; owned by its block device.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"
#include "base/while_busy.hpp"

struct FileIdentity {
    uint64_t device = 0;
    uint64_t number = 0;  // of the inode

    bool operator==(const FileIdentity&) const = default;
};

enum class DiskAccess : uint8_t { kReadWrite, kReadOnly };

// What becomes of a file that another process has as its disk.
enum class DiskSharing : uint8_t {
    kRefused,
    kWarned,  // it is opened all the same, for those who know what they do
};

class Disk {
public:
    // Opens the file or block device `path` and locks it (base/record_lock.hpp): two VMs that write
    // to one file system destroy it. Who writes keeps everybody else away; who reads keeps a writer
    // away if nobody but the file's owner may read it, and otherwise the writer is warned: readers
    // who may not write shall not decide whether it starts.
    //
    // What does not fill a sector at its end is left out, and an empty file is an empty disk;
    // either is warned of.
    //
    // Errors, each about `path`: as open(2); EISDIR; neither file nor block device; another process
    // has it, unless it may be shared.
    static Result<Disk> open(const char* path, DiskAccess access,
                             Patience patience = Patience::kOfStart,
                             DiskSharing sharing = DiskSharing::kRefused);

    // size_bytes() of the file at `path`, looked at without a lock: for one that is open already
    // and has another size now. Errors: as open().
    static Result<uint64_t> size_at(const char* path, DiskAccess access);

    // Lets go of open()'s lock, and takes it again. Another VM may have the file then, whoever
    // still holds it open: an io_uring does for a second and more after it was replaced. Errors:
    // another process has it by now; as fcntl(2).
    void unlock() const;
    Result<> lock() const;

    int fd() const { return fd_.get(); }
    DiskAccess access() const { return access_; }
    DiskSharing sharing() const { return sharing_; }
    // Whole sectors.
    uint64_t size_bytes() const;
    void set_size_bytes(uint64_t size_bytes) { file_bytes_ = size_bytes; }
    uint64_t file_bytes() const { return file_bytes_; }
    // Tells files apart, whatever they are called.
    const FileIdentity& identity() const { return identity_; }
    // What the host's storage writes in one piece, at least a sector. A power of two.
    uint32_t physical_block_bytes() const { return physical_block_bytes_; }
    // What fallocate(2) takes of it begins and ends on these: the sectors of a block device. Of a
    // file any sector of the guest's. A power of two.
    uint32_t logical_block_bytes() const { return logical_block_bytes_; }
    // The file gives storage back: fallocate(2) with FALLOC_FL_PUNCH_HOLE works.
    bool can_punch_holes() const { return can_punch_holes_; }

private:
    Disk(UniqueFd fd, DiskAccess access) : fd_(std::move(fd)), access_(access) {}

    static Result<Disk> open_unlocked(const char* path, DiskAccess access);
    Result<> measure();

    // Who reads the file although it is written: nobody, or somebody who perhaps may not write.
    enum class Neighbours : uint8_t { kNone, kReaders };
    Result<Neighbours> take_locks(Patience patience) const;
    // 0, or -1 with errno: EAGAIN while somebody else's lock counts.
    int lock_to_read() const;
    int lock_to_write(Neighbours& neighbours) const;

    UniqueFd fd_;
    DiskAccess access_;
    DiskSharing sharing_ = DiskSharing::kRefused;
    FileIdentity identity_;
    uint64_t file_bytes_ = 0;
    uint32_t physical_block_bytes_ = 512;
    uint32_t logical_block_bytes_ = 512;
    bool can_punch_holes_ = false;
    bool readers_may_write_ = false;  // whoever may read the file
};
