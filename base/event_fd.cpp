#include "base/event_fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

Result<EventFd> EventFd::create() {
    UniqueFd fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
    if (!fd) return Error::from_errno("eventfd");
    return EventFd{std::move(fd)};
}

void EventFd::signal() const {
    const uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(fd_.get(), &one, sizeof(one));
}

bool EventFd::drain() const {
    uint64_t count = 0;
    return ::read(fd_.get(), &count, sizeof(count)) == sizeof(count);
}
