#include "base/event_fd.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>

#include "base/read_some.hpp"

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
    return read_some(fd_.get(), std::as_writable_bytes(std::span(&count, 1))) == sizeof(count);
}
