#include "bench/memory_folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <cstdlib>

#include "jailer/files.hpp"

Result<MemoryFolder> MemoryFolder::create() {
    std::array<char, 40> name{"/dev/shm/mayfly-bench-XXXXXX"};
    if (::mkdtemp(name.data()) == nullptr) return Error::from_errno("mkdtemp");
    if (::chmod(name.data(), 0755) != 0) return Error::from_errno("chmod");
    return MemoryFolder{name.data()};
}

MemoryFolder::~MemoryFolder() {
    if (!path_.empty()) remove_tree(AT_FDCWD, path_.c_str());
}
