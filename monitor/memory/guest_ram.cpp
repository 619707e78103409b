#include "monitor/memory/guest_ram.hpp"

#include <sys/mman.h>

#include <algorithm>

#include "monitor/memory/layout.hpp"

namespace {

Result<Mapping> map(uint64_t size_bytes, RamPages pages) {
    if (pages == RamPages::kOrdinary) return Mapping::anonymous(size_bytes);
    auto mapping = Mapping::huge(size_bytes);
    if (mapping.ok()) return mapping;
    const int code = mapping.error().code;
    return Error{"guest memory in huge pages", code,
                 code == ENOMEM
                     ? "the host has too few free ones of 2 MiB; see sysctl vm.nr_hugepages"
                     : "the host's kernel has none of 2 MiB"};
}

}  // namespace

Result<GuestRam> GuestRam::create(uint64_t size_bytes, RamPages pages) {
    const uint64_t page = pages == RamPages::kHuge ? layout::kLargePageSize : layout::kPageSize;
    if (size_bytes == 0 || size_bytes % page != 0)
        return Error{"guest memory", 0, "must be whole pages and not empty", size_bytes};
    const uint64_t low = std::min(size_bytes, layout::kMmioGapStart.value);
    std::vector<Mapping> mappings;
    std::vector<GuestMemory::Region> regions;
    mappings.push_back(TRY(map(low, pages)));
    regions.push_back({GuestAddress{0}, mappings.back().bytes()});
    if (size_bytes > low) {
        mappings.push_back(TRY(map(size_bytes - low, pages)));
        regions.push_back({layout::kMmioGapEnd, mappings.back().bytes()});
    }
    return GuestRam{std::move(mappings), std::move(regions), size_bytes, pages};
}

Result<> GuestRam::map_all(int fd) const {
    if (pages_ != RamPages::kOrdinary)
        return Error{"guest memory in huge pages", EINVAL, "cannot be a snapshot's file"};
    uint64_t offset = 0;
    for (const GuestMemory::Region& region : regions_) {
        TRY(map_file(region.start, fd, offset, region.host.size()));
        offset += region.host.size();
    }
    return Ok{};
}

Result<> GuestRam::map_file(GuestAddress at, int fd, uint64_t offset, uint64_t length) const {
    if (pages_ != RamPages::kOrdinary || (at.value | offset | length) % layout::kPageSize != 0)
        return Error{"map_file", EINVAL, "not a page multiple"};
    const iovec window = TRY(memory().io_vector(at, length));
    // Inside a Mapping of ours, which unmaps the whole range in the end.
    void* const mapped =
        ::mmap(window.iov_base, window.iov_len, PROT_READ | PROT_WRITE,
               MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, static_cast<off_t>(offset));
    if (mapped == MAP_FAILED) return Error::from_errno("mmap of the image");
    return Ok{};
}
