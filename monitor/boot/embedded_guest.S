// The built unikernel as bytes. The build passes its path, and builds it first.
    .section .rodata.embedded_guest, "a", @progbits
    .globl embedded_guest_begin, embedded_guest_end
    .hidden embedded_guest_begin, embedded_guest_end
    .balign 4096
embedded_guest_begin:
    .incbin UNIKERNEL_ELF
embedded_guest_end:

    .section .note.GNU-stack, "", @progbits
