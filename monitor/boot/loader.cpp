#include "monitor/boot/loader.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>
#include <string_view>

#include "monitor/boot/bzimage.hpp"
#include "monitor/boot/elf_image.hpp"
#include "monitor/boot/load_plan.hpp"
#include "monitor/boot/placement.hpp"
#include "monitor/memory/layout.hpp"

namespace {

// What tells the formats apart lies in the first 0x206 bytes.
constexpr size_t kBootFlagAt = 0x1fe;     // bzImage boot_flag: 0xaa55
constexpr size_t kHeaderMagicAt = 0x202;  // bzImage header: "HdrS"
constexpr size_t kSignatureBytes = 0x206;

struct Signature {
    std::string_view magic;
    const char* hint;
};

// What people give for a kernel by mistake.
constexpr Signature kMistakes[] = {
    {"\x1f\x8b", "is gzip-compressed; unpack it first"},
    {{"\xfd"
      "7zXZ\0",
      6},
     "is xz-compressed; unpack it first"},
    {"\x28\xb5\x2f\xfd", "is zstd-compressed; unpack it first"},
    {"\x02\x21\x4c\x18", "is lz4-compressed; unpack it first"},
    {"\x04\x22\x4d\x18", "is lz4-compressed; unpack it first"},
    {"BZh", "is bzip2-compressed; unpack it first"},
    {{"\x5d\0\0", 3}, "is lzma-compressed; unpack it first"},
    {"MZ", "is an EFI program; only one that is a bzImage too can be booted"},
    {"070701", "is a cpio archive; is it the initrd?"},
};

class Beginning {
public:
    static Result<Beginning> of(const Image& image) {
        Beginning beginning;
        beginning.size_ = std::min<uint64_t>(image.size(), kSignatureBytes);
        TRY(image.read(0,
                       std::as_writable_bytes(std::span(beginning.bytes_).first(beginning.size_))));
        return beginning;
    }

    bool has(std::string_view magic, size_t at = 0) const {
        return std::string_view(bytes_.data(), size_)
            .substr(std::min(at, size_))
            .starts_with(magic);
    }

private:
    std::array<char, kSignatureBytes> bytes_{};
    size_t size_ = 0;
};

GuestAddress low_ram_end(const GuestRam& ram) {
    return GuestAddress{ram.regions().front().host.size()};
}

Result<LoadPlan> plan(const Image& image, const GuestRam& ram) {
    const Beginning beginning = TRY(Beginning::of(image));
    if (beginning.has("\x7f"
                      "ELF"))
        return plan_elf(image, low_ram_end(ram));
    if (beginning.has("HdrS", kHeaderMagicAt) && beginning.has("\x55\xaa", kBootFlagAt))
        return plan_bzimage(image, low_ram_end(ram));
    for (const Signature& mistake : kMistakes)
        if (beginning.has(mistake.magic)) return Error{"kernel", 0, mistake.hint};
    return Error{"kernel", 0, "is neither an ELF nor a bzImage; give a vmlinux or a vmlinuz"};
}

// What may be mapped, where its pages may be shared.
Placement placement(Placement wanted, ImagePages pages) {
    return pages == ImagePages::kShared ? wanted : Placement::kCopied;
}

Result<LoadedKernel> load(const Image& image, const GuestRam& ram, ImagePages pages) {
    LoadPlan checked = TRY(plan(image, ram));
    for (const LoadSegment& segment : checked.segments)
        TRY(place(image, segment.offset, ram, segment.at, segment.file_bytes,
                  placement(segment.placement, pages)));
    return std::move(checked.kernel);
}

}  // namespace

Result<LoadedKernel> load_kernel(const Image& image, const GuestRam& ram, ImagePages pages) {
    auto loaded = load(image, ram, pages);
    if (!loaded.ok()) return loaded.error().about(image.name());
    return loaded;
}

Result<LoadedInitrd> load_initrd(const InitrdSource& source, const GuestRam& ram,
                                 const LoadedKernel& kernel, ImagePages pages) {
    constexpr uint64_t kArchiveAlignment = 4;
    const uint64_t file_size = source.file == nullptr ? 0 : source.file->size();
    const char* const name = source.file == nullptr ? "--image" : source.file->name();
    const uint64_t limit =
        std::min(low_ram_end(ram).value, uint64_t{kernel.initrd_address_max} + 1);
    const uint64_t floor =
        (kernel.end.value + layout::kPageSize - 1) / layout::kPageSize * layout::kPageSize;
    const uint64_t appended_at =
        source.appended.empty()
            ? file_size
            : (file_size + kArchiveAlignment - 1) / kArchiveAlignment * kArchiveAlignment;
    const uint64_t size = appended_at + source.appended.size();
    const uint64_t highest_limit =
        std::min(layout::kMmioGapStart.value, uint64_t{kernel.initrd_address_max} + 1);
    if (highest_limit < floor || file_size > highest_limit || size > highest_limit - floor)
        return Error{"initrd of bytes", 0,
                     "is too large for this kernel, whatever the memory; make it smaller", size}
            .about(name);
    if (limit < floor || file_size > limit || size > limit - floor)
        return Error{"initrd of bytes", 0, "does not fit above the kernel; give more --memory",
                     size}
            .about(name);
    // Rounding down stays at or above `floor`, which is a page boundary.
    const GuestAddress address{(limit - size) / layout::kPageSize * layout::kPageSize};
    if (source.file != nullptr) {
        const auto placed =
            place(*source.file, 0, ram, address, file_size, placement(Placement::kMapped, pages));
        if (!placed.ok()) return placed.error().about(name);
    }
    if (!source.appended.empty())
        TRY(ram.memory().write_bytes(address + appended_at, source.appended));
    return LoadedInitrd{address, size};
}
