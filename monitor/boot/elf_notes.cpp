#include "monitor/boot/elf_notes.hpp"

#include <cstring>
#include <string_view>
#include <vector>

#include "abi/user64.hpp"

namespace {

constexpr uint64_t kMaxNoteSegmentBytes = 64 << 10;
constexpr uint64_t kNoteAlignment = 4;
constexpr uint64_t kWideAlignment = 8;
constexpr uint32_t kXenElfNotePhys32Entry = 18;  // XEN_ELFNOTE_PHYS32_ENTRY
constexpr std::string_view kXenNoteName{"Xen\0", 4};
constexpr std::string_view kLinuxNoteName{"Linux\0", 6};
constexpr std::string_view kUser64NoteName{guest_abi::kUser64NoteName,
                                           sizeof guest_abi::kUser64NoteName};

constexpr uint64_t align_up(uint64_t value, uint64_t alignment) {
    return (value + alignment - 1) / alignment * alignment;
}

// Precondition: `bytes` are at most 8.
uint64_t little_endian(std::span<const std::byte> bytes) {
    uint64_t value = 0;
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
}

// What bytes begin with, taken for a note.
struct Note {
    Elf64_Nhdr header;
    std::span<const std::byte> behind;  // name, padding, descriptor, and what follows

    bool is_named(std::string_view name) const {
        return header.n_namesz == name.size() && behind.size() >= name.size() &&
               std::memcmp(behind.data(), name.data(), name.size()) == 0;
    }

    // Its descriptor as an address. `field` is what an error calls the descriptor's size.
    Result<uint64_t> entry(const char* field) const {
        uint64_t at = align_up(sizeof(header) + header.n_namesz, kNoteAlignment) - sizeof(header);
        // No entry begins with a word of 0: that is padding.
        if (at + kNoteAlignment <= behind.size() &&
            little_endian(behind.subspan(at, kNoteAlignment)) == 0)
            at = align_up(sizeof(header) + at, kWideAlignment) - sizeof(header);
        if (at > behind.size() || header.n_descsz > behind.size() - at)
            return Error{field, 0, "reaches past the end of the notes", header.n_descsz};
        return little_endian(behind.subspan(at, header.n_descsz));
    }
};

Result<> take_note(const Note& note, BootNotes& notes) {
    if (note.is_named(kLinuxNoteName)) notes.names_linux = true;
    if (note.header.n_type == kXenElfNotePhys32Entry && note.is_named(kXenNoteName)) {
        constexpr const char* kField = "ELF PVH note's n_descsz";
        if (note.header.n_descsz != 4 && note.header.n_descsz != 8)
            return Error{kField, 0, "must be 4 or 8", note.header.n_descsz};
        notes.pvh_entry = TRY(note.entry(kField));
    }
    if (note.header.n_type == guest_abi::kUser64NoteType && note.is_named(kUser64NoteName)) {
        constexpr const char* kField = "ELF Mayfly note's n_descsz";
        if (note.header.n_descsz != guest_abi::kUser64NoteDescBytes)
            return Error{kField, 0, "must be 8", note.header.n_descsz};
        notes.user64_entry = TRY(note.entry(kField));
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
        // Looked for at each place where one may begin: linkers put notes that are padded to 4
        // and to 8 bytes into one segment, and what p_align says of it is true of only some.
        for (std::span<const std::byte> rest(bytes); rest.size() >= sizeof(Elf64_Nhdr);
             rest = rest.subspan(kNoteAlignment)) {
            Note note{{}, rest.subspan(sizeof(Elf64_Nhdr))};
            std::memcpy(&note.header, rest.data(), sizeof(note.header));
            TRY(take_note(note, notes));
        }
    }
    return notes;
}
