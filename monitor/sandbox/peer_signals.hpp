// Signals as Firecracker takes them: a fault, a limit or a terminal that is gone ends the process
// with a status of its own, after a last line of the log and one of the metrics. The handler only
// notes what has come. Main, who can write, does the rest; a thread that cannot go on waits for
// that, but not for long.
//
// A handler has no owner to ask, so this is global state, as the fault guard's. Main.
#pragma once

#include <csignal>
#include <optional>

#include "base/event_fd.hpp"

// Firecracker's status for a signal; none: the process ends by the signal itself.
std::optional<int> peer_status_of(int signal);

struct NotedSignal {
    int number = 0;
    int code = 0;                        // siginfo_t's si_code
    const char* stuck_thread = nullptr;  // its name, which waits for the end; nullptr: none
};

// From here on signals with a status are noted; `news` becomes readable then. It outlives all other
// threads, which are started later.
void note_signals_as_peer(const EventFd& news);

// The first that has come; none: not yet, or nothing is noted.
std::optional<NotedSignal> noted_signal();

// Whether note_signals_as_peer() has been called. Then note_signal() is what its handler does, for
// another handler whose signal that is not: it returns if the thread can go on.
bool notes_signals();
void note_signal(int signal, const siginfo_t& info);
