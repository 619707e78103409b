// An eventfd(2): how threads, KVM and devices wake each other. Non-blocking.
// Any thread may signal; one thread drains.
#pragma once

#include "base/result.hpp"
#include "base/unique_fd.hpp"

class EventFd {
public:
    // Errors: EMFILE, ENFILE, ENOMEM.
    static Result<EventFd> create();

    // Makes the descriptor readable. Cannot fail in a way that matters: the only error is a
    // counter at its maximum, which leaves it readable.
    void signal() const;

    // Takes all pending signals; true if there was one.
    bool drain() const;

    int fd() const { return fd_.get(); }

private:
    explicit EventFd(UniqueFd fd) : fd_(std::move(fd)) {}

    UniqueFd fd_;
};
