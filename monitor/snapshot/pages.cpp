#include "monitor/snapshot/pages.hpp"

#include <algorithm>
#include <cstddef>
#include <cstring>

#include "monitor/memory/layout.hpp"

namespace {

bool is_zero(std::span<const std::byte> page) {
    // The first word, and that each byte is as the one before it.
    return page.front() == std::byte{0} &&
           std::memcmp(page.data(), page.data() + 1, page.size() - 1) == 0;
}

// How much of `bytes`, in pages, is all zeroes, or has none.
size_t alike(std::span<const std::byte> bytes, bool zero) {
    size_t size = 0;
    while (size < bytes.size() && is_zero(bytes.subspan(size, layout::kPageSize)) == zero)
        size += layout::kPageSize;
    return size;
}

}  // namespace

Result<> write_ram(std::span<const GuestMemory::Region> regions, const NewFile& file) {
    uint64_t offset = 0;
    for (const GuestMemory::Region& region : regions) {
        std::span<const std::byte> left = region.host;
        while (!left.empty()) {
            const size_t hole = alike(left, true);
            const size_t written = alike(left.subspan(hole), false);
            TRY(file.write(left.subspan(hole, written), offset + hole));
            left = left.subspan(hole + written);
            offset += hole + written;
        }
    }
    return file.set_size(offset);
}
