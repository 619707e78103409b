// The compiled policies, and the names of the system calls, as bytes. The build passes the files'
// paths, and makes them first.
    .section .rodata.embedded_filters, "a", @progbits
    .globl embedded_filters_begin, embedded_filters_end, system_call_names_begin, system_call_names_end
    .hidden embedded_filters_begin, embedded_filters_end, system_call_names_begin, system_call_names_end
    .balign 4
embedded_filters_begin:
    .incbin POLICY_FILTERS
embedded_filters_end:
system_call_names_begin:
    .incbin SYSTEM_CALL_NAMES
system_call_names_end:

    .section .note.GNU-stack, "", @progbits
