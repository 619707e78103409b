/* The smallest guest that every monitor with a PVH entry boots: prints one line and halts for good.
 * One page of memory with its code; it needs no other device than a serial port at 0x3f8.
 *
 * Entry by the PVH boot protocol (x86/HVM direct boot ABI): 32-bit protected mode, paging off, flat
 * segments, interrupts off. A halt with interrupts off ends the vCPU's work until the VM is killed,
 * which is what makes it an idle VM.
 */
        .section .note, "a", @note
        .long   2f - 1f                 /* size of the name */
        .long   4f - 3f                 /* size of the value */
        .long   18                      /* XEN_ELFNOTE_PHYS32_ENTRY */
1:      .asciz  "Xen"
2:      .balign 4
3:      .long   start
4:      .balign 4

        .text
        .code32
        .globl  start
start:
        movl    $line, %esi
        movl    $line_end - line, %ecx
        movl    $0x3f8, %edx
        cld
        rep outsb
halt:
        cli
        hlt
        jmp     halt
line:   .ascii  "hello\n"
line_end:
