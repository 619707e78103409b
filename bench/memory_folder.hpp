// A folder in memory, as /run is on most hosts: on a disk's file system whatever is made in it
// would cost that disk's time. Gone with the measurement. One thread.
#pragma once

#include <string>
#include <utility>

#include "base/result.hpp"

class MemoryFolder {
public:
    // Errors: as mkdtemp(3) in /dev/shm.
    static Result<MemoryFolder> create();

    MemoryFolder(const MemoryFolder&) = delete;
    MemoryFolder& operator=(const MemoryFolder&) = delete;
    MemoryFolder(MemoryFolder&& other) noexcept : path_(std::exchange(other.path_, {})) {}
    MemoryFolder& operator=(MemoryFolder&&) = delete;
    ~MemoryFolder();

    const std::string& path() const { return path_; }

private:
    explicit MemoryFolder(std::string path) : path_(std::move(path)) {}

    std::string path_;  // empty: moved from
};
