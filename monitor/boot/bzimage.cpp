#include "monitor/boot/bzimage.hpp"

#include <algorithm>
#include <asm/bootparam.h>
#include <cstddef>
#include <span>
#include <vector>

#include "monitor/memory/layout.hpp"

namespace {

constexpr uint64_t kSetupHeaderAt = 0x1f1;
constexpr uint64_t kHeaderMagicAt = 0x202;      // where the setup header's length counts from
constexpr uint64_t kInitSizeEnd = 0x264;        // the last field that this loader needs
constexpr uint64_t kSetupHeaderMaxEnd = 0x290;  // the zero page has room up to here
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kParagraphBytes = 16;  // unit of syssize
constexpr uint64_t kEntry64Offset = 0x200;
constexpr uint16_t kMinVersion = 0x20c;  // 2.12: xloadflags

static_assert(kSetupHeaderAt == offsetof(boot_params, hdr));
static_assert(kInitSizeEnd == kSetupHeaderAt + offsetof(setup_header, handover_offset));

Result<setup_header> read_setup_header(const Image& image) {
    setup_header header{};
    if (image.size() < kSetupHeaderAt + sizeof(header))
        return Error{"bzImage header", 0, "is cut short: the file's size in bytes", image.size()};
    TRY(image.read(kSetupHeaderAt, std::as_writable_bytes(std::span(&header, 1))));
    if (header.version < kMinVersion)
        return Error{"bzImage version", 0, "must be 0x20c or later to have a 64-bit entry",
                     uint64_t{header.version}};
    if ((header.xloadflags & XLF_KERNEL_64) == 0)
        return Error{"bzImage xloadflags", 0, "has no XLF_KERNEL_64: is it a 32-bit kernel?",
                     uint64_t{header.xloadflags}};
    if ((header.loadflags & LOADED_HIGH) == 0)
        return Error{"bzImage loadflags", 0, "has no LOADED_HIGH: zImages are not supported",
                     uint64_t{header.loadflags}};
    return header;
}

// boot.rst, "Details of Header Fields": the header ends at 0x202 plus the byte at 0x201, which is
// the operand of a short jump over it.
uint64_t setup_header_end(const setup_header& header) {
    return kHeaderMagicAt + (uint32_t{header.jump} >> 8);
}

// setup_sects: "if this field contains 0, the real value is 4"; the boot sector comes on top.
uint64_t setup_bytes(const setup_header& header) {
    const uint64_t sectors = header.setup_sects == 0 ? 4 : header.setup_sects;
    return (sectors + 1) * kSectorBytes;
}

// The protected-mode part, placed at its preferred address.
//
// A relocatable kernel may be loaded lower, but Linux then moves itself up to pref_address before
// it unpacks itself there (arch/x86/boot/compressed/head_64.S), so memory short of that never
// suffices.
Result<LoadSegment> plan_segment(const Image& image, const setup_header& header,
                                 GuestAddress low_ram_end) {
    const uint64_t offset = setup_bytes(header);
    if (offset >= image.size())
        return Error{"bzImage setup_sects", 0, "reaches past the end of the file; is it cut short?",
                     uint64_t{header.setup_sects}};
    // syssize is rounded up to paragraphs, and a file need not be padded to one (memtest86+ is
    // not).
    const uint64_t rest = image.size() - offset;
    if (header.syssize > (rest + kParagraphBytes - 1) / kParagraphBytes)
        return Error{"bzImage syssize", 0, "reaches past the end of the file; is it cut short?",
                     uint64_t{header.syssize}};
    const uint64_t file_bytes = std::min(rest, header.syssize * kParagraphBytes);
    if (file_bytes <= kEntry64Offset)
        return Error{"bzImage syssize", 0, "is too small to hold the 64-bit entry",
                     uint64_t{header.syssize}};
    if (header.pref_address < layout::kHighMemory.value)
        return Error{"bzImage pref_address", 0, "is below 1 MiB, where the monitor's tables are",
                     uint64_t{header.pref_address}};
    if (header.pref_address >= low_ram_end.value)
        return Error{"bzImage pref_address", 0,
                     "is not in guest memory below 3 GiB; give more --memory",
                     uint64_t{header.pref_address}};
    const uint64_t memory_bytes = std::max<uint64_t>(file_bytes, header.init_size);
    if (memory_bytes > low_ram_end.value - header.pref_address)
        return Error{"bzImage pref_address + init_size", 0,
                     "does not fit in guest memory; give at least as many bytes with --memory",
                     header.pref_address + memory_bytes};
    return LoadSegment{offset, GuestAddress{header.pref_address}, file_bytes, memory_bytes,
                       Placement::kCopied};
}

// kernel_version: 0x200 less than where the version string is, which lies in the real-mode part.
// Linux begins it with the number of its release.
Result<bool> has_linux_version(const Image& image, const setup_header& header) {
    const uint64_t at = uint64_t{header.kernel_version} + kSectorBytes;
    if (header.kernel_version == 0 || at >= setup_bytes(header)) return false;
    std::byte first{};
    TRY(image.read(at, std::span(&first, 1)));
    return first >= std::byte{'0'} && first <= std::byte{'9'};
}

}  // namespace

Result<LoadPlan> plan_bzimage(const Image& image, GuestAddress low_ram_end) {
    const setup_header header = TRY(read_setup_header(image));
    const uint64_t header_end = setup_header_end(header);
    if (header_end < kInitSizeEnd)
        return Error{"bzImage jump", 0, "the setup header ends before init_size",
                     uint64_t{header.jump}};
    const LoadSegment segment = TRY(plan_segment(image, header, low_ram_end));
    std::vector<std::byte> bytes(std::min(header_end, kSetupHeaderMaxEnd) - kSetupHeaderAt);
    TRY(image.read(kSetupHeaderAt, bytes));
    return LoadPlan{.kernel = {.protocol = BootProtocol::kLinux64,
                               .entry = segment.at + kEntry64Offset,
                               .end = segment.at + segment.memory_bytes,
                               .is_linux = TRY(has_linux_version(image, header)),
                               .setup_header = std::move(bytes),
                               .initrd_address_max = header.initrd_addr_max},
                    .segments = {segment}};
}
