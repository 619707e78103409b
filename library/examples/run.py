#!/usr/bin/python3
"""Runs the VM of a configuration file through libmayfly, as run.c does, in Python with nothing to install.

usage: run.py CONFIG.json [MONITOR]        MAYFLY_LIBRARY: the library, by default libmayfly.so.0
"""
import ctypes
import os
import select
import sys

EVENTS = ["no event", "ready", "started", "booted", "paused", "resumed", "message", "failed", "exited"]


class Options(ctypes.Structure):
    _fields_ = [
        ("size", ctypes.c_size_t),
        ("program", ctypes.c_char_p),
        ("id", ctypes.c_char_p),
        ("flags", ctypes.c_uint32),
        ("serial_in", ctypes.c_int),
        ("serial_out", ctypes.c_int),
        ("arguments", ctypes.POINTER(ctypes.c_char_p)),
    ]


class Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_uint32),
        ("awaited", ctypes.c_uint32),
        ("status", ctypes.c_int32),
        ("signal", ctypes.c_int32),
        ("message", ctypes.c_char_p),
        ("reserved", ctypes.c_uint64 * 4),
    ]


def load(path):
    library = ctypes.CDLL(path)
    vm = ctypes.c_void_p
    prototypes = {
        "create": (ctypes.c_int, ctypes.c_char_p, ctypes.POINTER(Options), ctypes.POINTER(vm)),
        "destroy": (None, vm),
        "start": (ctypes.c_int, vm),
        "pause": (ctypes.c_int, vm),
        "resume": (ctypes.c_int, vm),
        "stop": (ctypes.c_int, vm, ctypes.c_uint),
        "wait": (ctypes.c_int, vm, ctypes.c_int),
        "fd": (ctypes.c_int, vm),
        "next_event": (ctypes.c_int, vm, ctypes.POINTER(Event)),
        "wait_event": (ctypes.c_int, vm, ctypes.POINTER(Event), ctypes.c_int),
        "serial_in": (ctypes.c_int, vm),
        "serial_out": (ctypes.c_int, vm),
        "pid": (ctypes.c_int, vm),
        "error_message": (ctypes.c_char_p, vm),
    }
    for name, (result, *arguments) in prototypes.items():
        function = getattr(library, f"mayfly_{name}")
        function.restype, function.argtypes = result, arguments
    return library


class Vm:
    """One VM; `with` ends it. One thread at a time."""

    def __init__(self, library, config, program=None, **options):
        self.library = library
        self.handle = ctypes.c_void_p()
        given = Options(size=ctypes.sizeof(Options), program=program.encode() if program else None, **options)
        if library.mayfly_create(config.encode(), given, self.handle) != 0:
            raise OSError(library.mayfly_error_message(None).decode())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.library.mayfly_destroy(self.handle)

    def __getattr__(self, name):
        """vm.start(), vm.stop(1000): mayfly_start, mayfly_stop of this VM."""
        function = getattr(self.library, f"mayfly_{name}")
        return lambda *arguments: function(self.handle, *arguments)

    def events(self):
        """Those that there are now: type, and what belongs to it."""
        event = Event()
        while self.next_event(event) == 1:
            yield EVENTS[event.type], event


def relay(vm):
    """Until the VM has ended: its output to stdout, what happens to stderr. Returns its status."""
    poll = select.poll()
    poll.register(vm.fd(), select.POLLIN)
    poll.register(vm.serial_out(), select.POLLIN)
    while True:
        for fd, _ in poll.poll():
            if fd == vm.serial_out() and not copy(fd):
                poll.unregister(fd)
        for name, event in vm.events():
            print(name, event.message.decode() if event.message else "", file=sys.stderr)
            if name == "failed" and EVENTS[event.awaited] == "started":
                return 1
            if name == "exited":
                copy(vm.serial_out())
                return event.status


def copy(fd):
    """What there is to read by now; False: there will be no more."""
    try:
        while got := os.read(fd, 65536):
            os.write(1, got)
    except BlockingIOError:
        return True
    return False


def main():
    if sys.argv[1:] in (["-h"], ["--help"]):
        print(__doc__)
        return 0
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    library = load(os.environ.get("MAYFLY_LIBRARY", "libmayfly.so.0"))
    with open(sys.argv[1], encoding="utf-8") as file:
        config = file.read()
    with Vm(library, config, *sys.argv[2:3]) as vm:
        vm.start()
        return relay(vm)


if __name__ == "__main__":
    sys.exit(main())
