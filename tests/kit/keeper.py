"""A process that ends with all its descendants, whatever becomes of whoever started it.

start() forks a keeper, and the keeper forks the process that does the work. What the worker leaves is the keeper's: it
is a child subreaper, so that neither a second fork nor a session of its own takes a process out of its hands. It kills
what is left when the worker has ended, when the time limit has passed, and when the keeper's own parent has gone, also
by SIGKILL.
"""
import contextlib
import ctypes
import dataclasses
import json
import os
import signal
import time

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # <linux/prctl.h>
UNKILLABLE_S = 30  # until a process that SIGKILL does not end, in the midst of a system call, is left to itself
MESSAGE_BYTES = 32 << 10  # fits into a pipe that nobody reads yet
_libc = ctypes.CDLL(None, use_errno=True)


@dataclasses.dataclass
class Verdict:
    """How the worker ended.

    status    its exit status, negative for a signal, None if it had to be killed
    message   what work() returned
    ended_by  "limit" or "stopped", if it did not end by itself
    left      the names of processes that outlived it
    """

    status: int | None
    message: str
    ended_by: str
    left: list
    seconds: float


@dataclasses.dataclass
class Kept:
    """A keeper at work. `descriptor` gets readable when it has ended."""

    pid: int
    descriptor: int

    def stop(self):
        """Asks for the end; the verdict comes as ever."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def verdict(self):
        """Waits for the end. None if the keeper itself was killed."""
        with os.fdopen(self.descriptor, "rb") as pipe:
            text = pipe.read()
        os.waitpid(self.pid, 0)
        return Verdict(**json.loads(text)) if text else None


def start(work, limit_s, *, output=None, grace_s=10.0, patience_s=5.0):
    """Runs work() in a process of its own. It returns a string, or replaces itself by exec.

    limit_s     when SIGTERM is sent to it; patience_s later everything is killed
    output      a descriptor for its stdout and stderr
    grace_s     how long what it has started may outlive it without being named

    Threads of the caller's must not call this: a keeper takes the end of the thread that started it for the caller's.
    """
    caller = os.getpid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # whoever inherits it ignored learns no child's status
    ours, theirs = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(ours)
            _keep(work, limit_s, caller, theirs, output, grace_s, patience_s)
            status = 0
        finally:
            os._exit(status)
    os.close(theirs)
    return Kept(pid, ours)


def reset_signals():
    """Every signal's default disposition and none blocked, as a program at a terminal has them: nohup, a shell's `&`
    and a runner of jobs leave some ignored, and all that is started from here would inherit that."""
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        # Python ignores these two for itself; subprocess and execute() give them back.
        if number not in (signal.SIGPIPE, signal.SIGXFSZ):
            with contextlib.suppress(OSError):  # what the C library keeps for itself
                signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, [])


def execute(words):
    """Becomes a program; the work of a keeper."""
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
    os.execvp(words[0], words)


def descendants(ancestor):
    """{process: its name} of all that live below a process."""
    parents, names = {}, {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", encoding="utf-8", errors="replace") as file:
                name, rest = file.read().rsplit(")", 1)  # a name may have parentheses
                state, parent = rest.split()[:2]
                parents[int(entry)] = int(parent)
                if state not in "ZX":
                    names[int(entry)] = name.split("(", 1)[1]
    found, below = {}, {ancestor}
    while below:
        below = {pid for pid, parent in parents.items() if parent in below}
        found.update({pid: names[pid] for pid in below if pid in names})
    return found


def _prctl(option, value):
    if _libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _keep(work, limit_s, caller, verdict_pipe, output, grace_s, patience_s):
    awaited = {signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT}
    signal.pthread_sigmask(signal.SIG_BLOCK, awaited)
    os.setsid()
    _prctl(PR_SET_CHILD_SUBREAPER, 1)
    _prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != caller:  # it went before it could be noticed
        return
    message_pipe, workers_end = os.pipe()
    os.set_blocking(message_pipe, False)
    started = time.monotonic()
    worker = os.fork()
    if worker == 0:
        os.close(verdict_pipe)  # its end is the keeper's end alone
        _work(work, workers_end, output)
    os.close(workers_end)
    status, ended_by = _wait_for(worker, awaited, started + limit_s, patience_s)
    seconds = time.monotonic() - started
    left = _sweep(grace_s if status is not None and not ended_by else 0.0)
    message = b""
    with contextlib.suppress(BlockingIOError):
        message = os.read(message_pipe, MESSAGE_BYTES)
    verdict = Verdict(status, message.decode(errors="replace"), ended_by, left, seconds)
    with contextlib.suppress(BrokenPipeError):
        os.write(verdict_pipe, json.dumps(dataclasses.asdict(verdict)).encode())


def _work(work, message_pipe, output):
    status = 1
    try:
        _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        os.setsid()
        reset_signals()
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        if output is not None:
            os.dup2(output, 1)
            os.dup2(output, 2)
        os.write(message_pipe, (work() or "").encode()[:MESSAGE_BYTES])
        status = 0
    finally:
        os._exit(status)


def _reap(worker=None):
    """Takes all children that have ended: (the worker's status if it is one of them, whether there are others)."""
    status = None
    while True:
        try:
            pid, raw = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return status, False
        if pid == 0:
            return status, True
        if pid == worker:
            status = os.waitstatus_to_exitcode(raw)


def _wait_for(worker, awaited, deadline, patience_s):
    """(its status, what ended it)."""
    ended_by = ""
    while True:
        came = signal.sigtimedwait(awaited, max(0.0, deadline - time.monotonic()))
        status, _ = _reap(worker)
        if status is not None:
            return status, ended_by
        if came is None or came.si_signo != signal.SIGCHLD:
            if ended_by and came is None:
                return None, ended_by  # out of patience
            if not ended_by:
                ended_by = "limit" if came is None else "stopped"
                deadline = time.monotonic() + patience_s
                os.kill(worker, signal.SIGTERM)


def _sweep(grace_s):
    """Waits for what is left, and kills what does not go: returns the names of those."""
    named, give_up = [], time.monotonic() + grace_s
    while True:
        _, are_some_left = _reap()
        # Without children there are no grandchildren: they would be ours by now.
        if not are_some_left or time.monotonic() >= give_up + UNKILLABLE_S:
            return named
        left = descendants(os.getpid())
        if time.monotonic() >= give_up:
            named = named or sorted(left.values())
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        time.sleep(0.01)
