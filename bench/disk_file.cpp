#include "bench/disk_file.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <random>
#include <vector>

namespace {

constexpr size_t kChunkBytes = 1 << 20;

Result<> write_random(int fd, uint64_t size_bytes) {
    std::vector<uint64_t> chunk(kChunkBytes / sizeof(uint64_t));
    std::mt19937_64 random(20221);
    for (uint64_t at = 0; at < size_bytes;) {
        // One random chunk, and a word of each page that differs from chunk to chunk: a file system
        // that finds equal blocks finds none.
        if (at == 0) std::ranges::generate(chunk, random);
        for (size_t word = 0; word < chunk.size(); word += 512) chunk[word] = random();
        const size_t length = std::min<uint64_t>(size_bytes - at, kChunkBytes);
        const ssize_t written = ::pwrite(fd, chunk.data(), length, static_cast<off_t>(at));
        if (written < 0 && errno != EINTR) return Error::from_errno("write");
        if (written > 0) at += static_cast<uint64_t>(written);
    }
    // Else the kernel would write it during the measurement.
    if (::fdatasync(fd) != 0) return Error::from_errno("fdatasync");
    return Ok{};
}

}  // namespace

Result<DiskFile> DiskFile::create(uint64_t size_bytes) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing changes the environment.
    const char* const given = std::getenv("TMPDIR");
    std::string name = given != nullptr && *given != '\0' ? given : "/var/tmp";
    name += "/mayfly-bench-XXXXXX";
    UniqueFd fd(::mkostemp(name.data(), O_CLOEXEC));
    if (!fd) return Error::from_errno("mkstemp in TMPDIR or /var/tmp");
    ::unlink(name.c_str());
    TRY(write_random(fd.get(), size_bytes));
    std::string path = "/proc/" + std::to_string(::getpid()) + "/fd/" + std::to_string(fd.get());
    return DiskFile(std::move(fd), size_bytes, std::move(path));
}

Result<DiskFile> DiskFile::open(const char* path) {
    UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
    if (!fd) return Error::from_errno("open").about(path);
    const off_t size = ::lseek(fd.get(), 0, SEEK_END);
    if (size < 0) return Error::from_errno("lseek").about(path);
    return DiskFile(std::move(fd), static_cast<uint64_t>(size), path);
}

Result<> DiskFile::read_all() const {
    std::vector<char> chunk(kChunkBytes);
    for (off_t at = 0;;) {
        const ssize_t got = ::pread(fd_.get(), chunk.data(), chunk.size(), at);
        if (got == 0) return Ok{};
        if (got < 0 && errno != EINTR) return Error::from_errno("read");
        if (got > 0) at += got;
    }
}
