#include "base/mapping.hpp"

#include <linux/mman.h>
#include <sys/mman.h>

Result<Mapping> Mapping::map(size_t size_bytes, int access, int flags, int fd, size_t offset) {
    void* const at = ::mmap(nullptr, size_bytes, access, flags, fd, static_cast<off_t>(offset));
    if (at == MAP_FAILED) return Error::from_errno("mmap");
    return Mapping{std::span(static_cast<std::byte*>(at), size_bytes)};
}

namespace {

constexpr size_t kHugePageBytes = 2 << 20;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

// Bytes from the start of `bytes` to the next boundary.
size_t misalignment(std::span<const std::byte> bytes) {
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast): to look at the low bits.
    return -reinterpret_cast<uintptr_t>(bytes.data()) % kHugePageBytes;
}

}  // namespace

Result<Mapping> Mapping::anonymous(size_t size_bytes) {
    constexpr int kFlags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
    Mapping mapping = TRY(map(size_bytes, kReadWrite, kFlags, -1, 0));
    // Linux aligns large mappings itself from 6.7 on.
    if (size_bytes < kHugePageBytes || misalignment(mapping.bytes()) == 0) return mapping;
    mapping = TRY(map(size_bytes + kHugePageBytes, kReadWrite, kFlags, -1, 0));
    mapping.trim_to_alignment(size_bytes);
    return mapping;
}

Result<Mapping> Mapping::huge(size_t size_bytes) {
    return map(size_bytes, kReadWrite, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_2MB, -1,
               0);
}

void Mapping::trim_to_alignment(size_t size_bytes) {
    const size_t before = misalignment(bytes_);
    const auto kept = bytes_.subspan(before, size_bytes);
    if (before > 0) ::munmap(bytes_.data(), before);
    const auto after = bytes_.subspan(before + size_bytes);
    if (!after.empty()) ::munmap(after.data(), after.size());
    bytes_ = kept;
}

Result<Mapping> Mapping::inaccessible(size_t size_bytes) {
    return map(size_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

Result<Mapping> Mapping::shared(int fd, size_t size_bytes, size_t offset) {
    return map(size_bytes, kReadWrite, MAP_SHARED, fd, offset);
}

Mapping::~Mapping() {
    if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
}

// It fails for addresses that are not mapped, and for nothing else.
void leave_out_of_dumps(std::span<std::byte> pages) {
    ::madvise(pages.data(), pages.size(), MADV_DONTDUMP);
}
