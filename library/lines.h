/* Lines out of a pipe from a VM's process, whatever it writes there: memory is bounded, a line that
 * is too long is cut, and what else belongs to it is passed over. Owned by one VM, in whose thread
 * it is used. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "library/text.h"

struct mayfly_lines { /* all zero: new */
    char bytes[MAYFLY_TEXT_SIZE];
    size_t used;
    bool is_cut; /* what comes up to the next newline belongs to a line that was given out */
};

/* Takes in some of `length` > 0 bytes; returns how many, 0 when there is no room before the next
 * line is taken. */
size_t mayfly_lines_add(struct mayfly_lines* lines, const char* bytes, size_t length);

enum mayfly_lines_read { MAYFLY_LINES_READ, MAYFLY_LINES_EMPTY, MAYFLY_LINES_ENDED };

/* Takes in what one read(2) of `fd`, which is non-blocking, gives. */
enum mayfly_lines_read mayfly_lines_fill(struct mayfly_lines* lines, int fd);

/* The next whole line, as mayfly_text_copy() does it; false: there is none yet. `has_ended`: what
 * is left is a line as well. */
bool mayfly_lines_take(struct mayfly_lines* lines, bool has_ended, char line[MAYFLY_TEXT_SIZE]);
