// Writing without waiting for whoever reads. O_NONBLOCK belongs to an open file description, and
// that of stdout and stderr is not ours alone: the caller's shell has it, and other programs. A
// description of our own can have it without harm.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>

// How a write to a descriptor is made that does not wait.
enum class WriteWay : uint8_t {
    kPlain,   // a file, a device that never waits, or a description with O_NONBLOCK
    kSocket,  // send(2) with MSG_DONTWAIT
    // A pipe or terminal with a description that is not ours. That it polls writable is true until
    // somebody else writes to it.
    kPolled,
};

// What polls writable takes this much without waiting: a pipe PIPE_BUF, a terminal less.
inline constexpr size_t kPolledBytes = 256;

// What `fd` is, by what it is now.
WriteWay write_way(int fd);

// Puts a description of our own in the place of `fd`'s, if that is one of a pipe or a terminal, and
// it may be opened again. Nobody else notices. Before Landlock and an empty root forbid it; it uses
// /proc. Returns how to write to `fd` from now on.
WriteWay make_own(int fd);

// One write: how many bytes were written, or -1 with errno; EAGAIN where it would have waited. A
// signal in between does not count. Any thread whose filter has poll(2) if `way` is kPolled.
ssize_t write_unwaited(int fd, WriteWay way, std::span<const char> bytes);
