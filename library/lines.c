#include "library/lines.h"

#include <unistd.h>

#include <errno.h>
#include <string.h>

size_t mayfly_lines_add(struct mayfly_lines* lines, const char* bytes, size_t length) {
    const size_t room = sizeof(lines->bytes) - lines->used;
    const size_t taken = length < room ? length : room;
    memcpy(lines->bytes + lines->used, bytes, taken);
    lines->used += taken;
    return taken;
}

enum mayfly_lines_read mayfly_lines_fill(struct mayfly_lines* lines, int fd) {
    char* const free_bytes = lines->bytes + lines->used;
    const size_t room = sizeof(lines->bytes) - lines->used;
    if (room == 0) return MAYFLY_LINES_READ; /* a line can be taken */
    ssize_t got = 0;
    do {
        got = read(fd, free_bytes, room);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return errno == EAGAIN ? MAYFLY_LINES_EMPTY : MAYFLY_LINES_ENDED;
    lines->used += (size_t)got;
    return got == 0 ? MAYFLY_LINES_ENDED : MAYFLY_LINES_READ;
}

static void drop(struct mayfly_lines* lines, size_t count) {
    lines->used -= count;
    memmove(lines->bytes, lines->bytes + count, lines->used);
}

bool mayfly_lines_take(struct mayfly_lines* lines, bool has_ended, char line[MAYFLY_TEXT_SIZE]) {
    while (lines->used > 0) {
        const char* const newline = memchr(lines->bytes, '\n', lines->used);
        const bool is_full = lines->used == sizeof(lines->bytes);
        if (newline == NULL && !is_full && !has_ended) return false;
        const size_t length = newline != NULL ? (size_t)(newline - lines->bytes) : lines->used;
        const bool is_rest = lines->is_cut;
        lines->is_cut = newline == NULL;
        if (!is_rest) mayfly_text_copy(line, MAYFLY_TEXT_SIZE, lines->bytes, length);
        drop(lines, newline != NULL ? length + 1 : length);
        if (!is_rest) return true;
    }
    return false;
}
