// The notes of an ELF kernel that say how to boot it. Main thread.
// Format: System V gABI chapter 5, "Note Section"; types: Xen, xen/include/public/elfnote.h, and
// abi/user64.hpp.
#pragma once

#include <cstdint>
#include <elf.h>
#include <optional>
#include <span>

#include "base/result.hpp"
#include "monitor/boot/image.hpp"

struct BootNotes {
    std::optional<uint64_t> pvh_entry{};     // "Xen" XEN_ELFNOTE_PHYS32_ENTRY
    std::optional<uint64_t> user64_entry{};  // "Mayfly" kUser64NoteType
    bool names_linux = false;                // some note is named "Linux", as in all since 4.19
};

// Looks for these notes in every PT_NOTE segment of `headers`, each within the image (checked by
// the caller). Errors: a segment over 64 KiB; an entry of a wrong size, or past its segment's end.
Result<BootNotes> read_notes(const Image& image, std::span<const Elf64_Phdr> headers);
