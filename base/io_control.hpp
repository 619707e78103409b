// ioctl(2) with the request as the kernel and the filters have it: musl's function takes an int,
// and hands on with its sign what has its highest bit set.
#pragma once

#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// `argument` is what the request takes: a pointer or a number. Errors: -1 with errno, as ioctl(2).
template <typename Argument>
int io_control(int fd, unsigned long request, Argument argument) {
    return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
}
