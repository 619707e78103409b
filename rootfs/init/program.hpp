// The program that the guest is there for: its streams, user, environment and working directory.
#pragma once

#include <sys/types.h>

#include "abi/channel.hpp"
#include "rootfs/init/settings.hpp"

// The ends of the program's streams that init holds; -1 where there is none. With a terminal input
// and output are one descriptor. All are non-blocking.
struct Streams {
    int input = -1;
    int output = -1;
    int errors = -1;
};

enum class StreamKind { kInherited, kPipes, kTerminal };

struct Program {
    pid_t pid = 0;
    uint16_t stream = guest_abi::kFirstProgram;  // of the channel
    Streams streams{};
};

// What a shell answers with (POSIX.1-2017, XCU 2.8.2).
constexpr int kStatusNotExecutable = 126;
constexpr int kStatusNotFound = 127;

// Starts it in a session of its own. What hinders it after the fork is said on its stderr and
// becomes its status, 126 or 127, as in a shell. Errors before that end init.
Program start_program(Settings& settings, StreamKind kind);
