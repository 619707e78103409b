// `user64`: our boot protocol for a guest without a kernel of its own. An ELF asks for it with one
// note, and is then entered in 64-bit mode at CPL 3 with IOPL 3, paging on and all RAM
// identity-mapped as user pages; RDI holds the address of a Xen hvm_start_info, RSI the frequency
// of the time stamp counter in kHz (0: unknown).
//
// The note, as in an ELF note segment (System V gABI, "Note Section"):
//   namesz 7, descsz 8, type kUser64NoteType, name "Mayfly\0" and a zero, desc the entry address.
//
// Assembly writes the note and has no constants but the preprocessor's.
#pragma once

#define MAYFLY_USER64_NOTE_NAME "Mayfly"
#define MAYFLY_USER64_NOTE_TYPE 0x4d460064 /* "MF", 0x64 for 64-bit */

#ifndef __ASSEMBLER__

#include <cstdint>

namespace guest_abi {

constexpr char kUser64NoteName[] = MAYFLY_USER64_NOTE_NAME;  // the NUL counts in n_namesz
constexpr uint32_t kUser64NoteType = MAYFLY_USER64_NOTE_TYPE;
constexpr uint32_t kUser64NoteDescBytes = 8;  // little-endian guest address

}  // namespace guest_abi

#endif
