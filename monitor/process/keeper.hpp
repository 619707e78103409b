// The process that stays outside where the monitor is the first one of a process namespace: its
// caller knows and waits for it alone. It hands signals on, stops and goes on with the monitor, and
// ends as it does; the monitor does not outlive it. It has nothing open but its end of a socket
// and a terminal on stdin, to see who has its foreground.
#pragma once

#include "base/result.hpp"
#include "monitor/machine/signals.hpp"

// Goes on in a child, the first process of a namespace; returns the socket to the keeper, which the
// caller's process becomes: never to be closed, since that is the process's end to the keeper.
// `signals`: what it will hand on to Signals::create(); until that has been called a signal ends
// both. Main, without other threads. Errors: as socketpair(2), fork(2), and unshare(2) with
// CLONE_NEWPID.
Result<int> enter_process_namespace(SignalsFor signals);

// The kernel kills the caller when its keeper ends, however that is. To be called again where the
// caller has changed its ids or capabilities, since the kernel then forgets. Errors: ESRCH: it has
// ended.
Result<> end_with_keeper(int keeper);
