// One name of a tar archive, and all that its headers say of it. Names are bytes: of no character
// set, and without NUL. Main thread.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <ctime>
#include <map>
#include <string>
#include <vector>

enum class TarKind {
    kFile,
    kFolder,
    kSymlink,
    kHardLink,
    kCharDevice,
    kBlockDevice,
    kFifo,
    kUnknown,  // parts of larger files, dialects that nobody writes any more
};

// Content that is there; what lies between two of them is a hole.
struct TarSegment {
    uint64_t offset;
    uint64_t size;
};

struct TarEntry {
    std::string path{};
    std::string target{};  // of links
    TarKind kind = TarKind::kUnknown;
    mode_t mode = 0;  // permissions alone
    int64_t owner = 0;
    int64_t group = 0;
    uint64_t size = 0;  // of a file, with its holes
    timespec modified{};
    uint64_t major = 0;  // of a device
    uint64_t minor = 0;
    std::map<std::string, std::string> xattrs{};  // by their Linux names; ACLs too
    std::vector<TarSegment> segments{};           // ascending; all that the archive has of a file
};
