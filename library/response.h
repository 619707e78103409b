/* One HTTP response of a VM's process, RFC 9112. The process may have been taken over by its guest:
 * what it sends is bounded and strictly checked, and nothing is guessed. Any thread. */
#pragma once

#include <stddef.h>

enum {
    MAYFLY_RESPONSE_SIZE = 8192
}; /* more than any that a monitor of ours gives, headers and body */

struct mayfly_response {
    int status;       /* 200 to 599 */
    const char* body; /* within the bytes that were parsed */
    size_t body_size;
};

/* A response at the front of `size` bytes. Returns its length; 0: incomplete; -1: malformed, longer
 * than MAYFLY_RESPONSE_SIZE, or of a kind that our requests have no use for (1xx, a transfer
 * encoding). */
long mayfly_response_parse(const char* bytes, size_t size, struct mayfly_response* response);
