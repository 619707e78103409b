"""SIGINT, SIGTERM and SIGHUP end a measurement, and no more: what was finished is printed, and what was made is
removed. They reach the probe through this process alone, since the probe leads a process group of its own."""

import signal
import time

from .failure import Interrupted

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_state = {"was_signalled": False, "probe": None}


def watch():
    for number in WATCHED:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish
            signal.signal(number, _handle)


def _handle(_number, _frame):
    _state["was_signalled"] = True
    _tell_probe()


def _tell_probe():
    if _state["probe"] is not None and _state["probe"].poll() is None:
        _state["probe"].send_signal(signal.SIGTERM)


def forward_to(process):
    """From now on the signals end this process (None: nobody); one that came before, too."""
    _state["probe"] = process
    if _state["was_signalled"]:
        _tell_probe()


def was_signalled():
    return _state["was_signalled"]


def check():
    """Errors: Interrupted, a signal came."""
    if _state["was_signalled"]:
        raise Interrupted()


def sleep(seconds):
    """Errors: Interrupted."""
    end = time.monotonic() + seconds
    while (rest := end - time.monotonic()) > 0:
        check()
        time.sleep(min(rest, 0.1))
    check()
