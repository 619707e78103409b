// The file that a disk measurement reads. One thread.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class DiskFile {
public:
    // `size_bytes` of data that no file system can leave out, in a file without a name in TMPDIR or
    // /var/tmp: it goes with this process, however that ends. It is on its disk, and stays in the
    // page cache. Errors: as mkstemp(3), write(2), fdatasync(2).
    static Result<DiskFile> create(uint64_t size_bytes);

    // The file or block device at `path`, which is only read. Errors: as open(2), lseek(2).
    static Result<DiskFile> open(const char* path);

    int fd() const { return fd_.get(); }
    uint64_t size_bytes() const { return size_bytes_; }

    // By which another program can open it.
    const std::string& path() const { return path_; }

    // Reads all of it, so that what fits into the page cache is there. Errors: as read(2).
    Result<> read_all() const;

private:
    DiskFile(UniqueFd fd, uint64_t size_bytes, std::string path)
        : fd_(std::move(fd)), size_bytes_(size_bytes), path_(std::move(path)) {}

    UniqueFd fd_;
    uint64_t size_bytes_;
    std::string path_;
};
