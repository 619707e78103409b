/* Text that came from a VM's process, made fit to be shown. The process may have been taken over by
 * its guest, and what it says may end up on a terminal or in a log. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

enum { MAYFLY_TEXT_SIZE = 512 }; /* bytes of a message, with its NUL */

/* Copies `length` bytes to `to` of `size` > 0 bytes, cut to fit between two characters, and ends
 * them with a NUL. Control characters (C0, DEL, C1) and what is not UTF-8 become '?'. */
void mayfly_text_copy(char* to, size_t size, const char* from, size_t length);

/* The message of a response body {"fault_message": "..."}: exactly one string under that name, and
 * nothing else but white space. False, and `to` untouched: the body is something else. */
bool mayfly_text_fault(char* to, size_t size, const char* body, size_t length);
