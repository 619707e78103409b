#include "monitor/boot/placement.hpp"

#include <algorithm>

#include "monitor/memory/layout.hpp"

namespace {

Result<> copy(const Image& image, uint64_t offset, const GuestMemory& memory, GuestAddress at,
              uint64_t length) {
    if (length == 0) return Ok{};
    const iovec to = TRY(memory.io_vector(at, length));
    // No guest runs yet, so its RAM is a buffer like any other.
    return image.read(offset, std::span(static_cast<std::byte*>(to.iov_base), to.iov_len));
}

}  // namespace

Result<> place(const Image& image, uint64_t offset, const GuestRam& ram, GuestAddress at,
               uint64_t length, Placement how) {
    const uint64_t in_page = at.value % layout::kPageSize;
    uint64_t head = length;
    uint64_t mapped = 0;
    const bool may_map = how == Placement::kMapped && ram.pages() == RamPages::kOrdinary;
    if (may_map && image.fd() >= 0 && offset % layout::kPageSize == in_page) {
        head = std::min(length, in_page == 0 ? 0 : layout::kPageSize - in_page);
        mapped = (length - head) / layout::kPageSize * layout::kPageSize;
    }
    const GuestMemory memory = ram.memory();
    TRY(copy(image, offset, memory, at, head));
    if (mapped > 0) {
        TRY(ram.map_file(at + head, image.fd(), offset + head, mapped));
        // mmap does not mind a file that has become shorter; a read does.
        std::byte last{};
        TRY(image.read(offset + head + mapped - 1, std::span(&last, 1)));
    }
    const uint64_t done = head + mapped;
    return copy(image, offset + done, memory, at + done, length - done);
}
