// The entry point, its ELF note, and nothing else.
//
// Entered by the user64 protocol (README.md): RDI = hvm_start_info, RSI = the TSC's kHz,
// RSP = top of the boot stack, aligned to 16; CPL 3, no IDT. The first thing taken is the time.
#include "abi/user64.hpp"

    .section .text.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    rdtsc
    shlq $32, %rdx
    orq %rax, %rdx
    xorl %ebp, %ebp
    call unikernel_main        // (start_info, tsc_khz, entry_tsc); does not return
    ud2
    .size _start, . - _start

// The note by which a loader knows a user64 guest and finds its entry. System V ABI, "Note Section":
// 4-byte alignment.
    .section .note.mayfly, "a", @note
    .balign 4
    .long 2f - 1f, 4f - 3f, MAYFLY_USER64_NOTE_TYPE
1:  .asciz MAYFLY_USER64_NOTE_NAME
2:  .balign 4
3:  .quad _start
4:

    .section .note.GNU-stack, "", @progbits
