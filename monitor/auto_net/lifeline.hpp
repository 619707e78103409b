// Descriptors that have to stay open as long as a process runs, and that it must not be able to
// use: they wait in the queue of a socket to be received, which nobody does. What the process has
// open is that socket, whose other end is closed. Who takes the process over can at most read from
// it, which closes what waits there: no system call of a filter's reaches it otherwise. Main
// thread.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class Lifeline {
public:
    // Errors: as socketpair(2).
    static Result<Lifeline> create();

    // The file behind `fd` stays open, whoever closes `fd`. Errors: EAGAIN where there are more
    // than fit in the queue; as sendmsg(2).
    Result<> keep(const UniqueFd& fd);

    // The end that the process has to have open. Nothing can be added afterwards.
    UniqueFd end() && { return std::move(kept_); }

private:
    Lifeline(UniqueFd kept, UniqueFd sender) : kept_(std::move(kept)), sender_(std::move(sender)) {}

    UniqueFd kept_;
    UniqueFd sender_;
};
