#include "monitor/boot/elf_notes.hpp"

#include <cstring>
#include <string_view>
#include <vector>

#include "abi/user64.hpp"

namespace {

constexpr uint64_t kMaxNoteSegmentBytes = 64 << 10;
constexpr uint32_t kXenElfNotePhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::string_view kXenNoteName{"Xen\0", 4};
constexpr std::string_view kLinuxNoteName{"Linux\0", 6};
constexpr std::string_view kUser64NoteName{guest_abi::kUser64NoteName,
                                           sizeof guest_abi::kUser64NoteName};

constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

bool is_named(std::span<const std::byte> name, std::string_view wanted) {
    return name.size() == wanted.size() &&
           std::memcmp(name.data(), wanted.data(), wanted.size()) == 0;
}

// Precondition: `desc` has 4 or 8 bytes.
uint64_t little_endian(std::span<const std::byte> desc) {
    uint64_t value = 0;
    std::memcpy(&value, desc.data(), desc.size());
    return value;
}

Result<> take_note(uint32_t type, std::span<const std::byte> name, std::span<const std::byte> desc,
                   BootNotes& notes) {
    const bool is_xen = is_named(name, kXenNoteName);
    if (is_named(name, kLinuxNoteName)) notes.names_linux = true;
    if (is_xen && type == kXenElfNotePhys32Entry) {
        if (desc.size() != 4 && desc.size() != 8)
            return Error{"ELF PVH note's n_descsz", 0, "must be 4 or 8", desc.size()};
        notes.pvh_entry = little_endian(desc);
    }
    if (type == guest_abi::kUser64NoteType && is_named(name, kUser64NoteName)) {
        if (desc.size() != guest_abi::kUser64NoteDescBytes)
            return Error{"ELF Mayfly note's n_descsz", 0, "must be 8", desc.size()};
        notes.user64_entry = little_endian(desc);
    }
    return Ok{};
}

// A tail too short for a header is padding.
Result<> take_segment(std::span<const std::byte> rest, uint64_t alignment, BootNotes& notes) {
    while (rest.size() >= sizeof(Elf64_Nhdr)) {
        Elf64_Nhdr header;
        std::memcpy(&header, rest.data(), sizeof(header));
        if (header.n_namesz > rest.size() - sizeof(header))
            return Error{"ELF n_namesz", 0, "reaches past the end of the notes", header.n_namesz};
        const uint64_t desc_at = align_up(sizeof(header) + header.n_namesz, alignment);
        if (header.n_descsz > 0 &&
            (desc_at > rest.size() || header.n_descsz > rest.size() - desc_at))
            return Error{"ELF n_descsz", 0, "reaches past the end of the notes", header.n_descsz};
        const auto name = rest.subspan(sizeof(header), header.n_namesz);
        const auto desc =
            header.n_descsz == 0 ? rest.first(0) : rest.subspan(desc_at, header.n_descsz);
        TRY(take_note(header.n_type, name, desc, notes));
        const uint64_t next = align_up(desc_at + header.n_descsz, alignment);
        if (next >= rest.size()) break;
        rest = rest.subspan(next);
    }
    return Ok{};
}

}  // namespace

Result<BootNotes> read_notes(const Image& image, std::span<const Elf64_Phdr> headers) {
    BootNotes notes;
    for (const Elf64_Phdr& header : headers) {
        if (header.p_type != PT_NOTE) continue;
        if (header.p_filesz > kMaxNoteSegmentBytes)
            return Error{"ELF PT_NOTE p_filesz", 0, "notes over 64 KiB are not read",
                         header.p_filesz};
        std::vector<std::byte> bytes(header.p_filesz);
        TRY(image.read(header.p_offset, bytes));
        // Notes are padded to 4 bytes, and to 8 in a segment that says so (GNU property notes).
        TRY(take_segment(bytes, header.p_align == 8 ? 8 : 4, notes));
    }
    return notes;
}
