// Where the API listens. Main thread, before others.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

// A socket that accepts clients at `path`, from the moment on at which the path exists. What a
// process that is gone has left there is replaced. Errors, about `path`: EADDRINUSE where somebody
// still listens, or something else than a socket is there; too long; as bind(2) and rename(2).
Result<UniqueFd> listen_at(const char* path);

// Takes over `fd`, a Unix stream socket of the caller's parent, listening or connected. Errors:
// EBADF; it is neither.
Result<UniqueFd> adopt_socket(int fd);
