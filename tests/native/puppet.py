"""Whoever has taken over one thread of a process: makes that thread's system calls, under its filter."""
import contextlib
import ctypes
import os

from kit import Skipped

PTRACE_GETREGS, PTRACE_SETREGS, PTRACE_SINGLESTEP, PTRACE_DETACH = 12, 13, 9, 17
PTRACE_SEIZE, PTRACE_INTERRUPT = 0x4206, 0x4207
WALL = 0x40000000
REGISTERS = "r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss"
REGISTERS += " fs_base gs_base ds es fs gs"
LIBC = ctypes.CDLL(None, use_errno=True)


class Registers(ctypes.Structure):
    _fields_ = [(name, ctypes.c_ulonglong) for name in REGISTERS.split()]


def thread_called(pid, name):
    for number in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{number}/comm", encoding="ascii") as comm:
            if comm.read().strip() == name:
                return int(number)
    raise AssertionError(f"no thread {name}")


class Puppet:
    """A thread that waits in a system call, and is stopped until the end."""

    def __init__(self, tid):
        self.tid = tid

    def ptrace(self, request, data=None):
        if LIBC.ptrace(request, self.tid, None, data) != 0:
            raise OSError(ctypes.get_errno(), "ptrace")

    def __enter__(self):
        try:
            self.ptrace(PTRACE_SEIZE)
        except OSError as error:
            raise Skipped(f"no process may be traced here: {error}") from None
        self.ptrace(PTRACE_INTERRUPT)
        os.waitpid(self.tid, WALL)
        self.before = Registers()
        self.ptrace(PTRACE_GETREGS, ctypes.byref(self.before))
        return self

    def call(self, number, *arguments):
        """What the system call returns."""
        now = Registers.from_buffer_copy(self.before)
        now.rip -= 2  # the instruction in which it waits
        now.orig_rax = ctypes.c_ulonglong(-1).value  # and which is not to be begun anew
        now.rax = number
        for name, value in zip(("rdi", "rsi", "rdx", "r10", "r8", "r9"), arguments):
            setattr(now, name, ctypes.c_ulonglong(value).value)
        self.ptrace(PTRACE_SETREGS, ctypes.byref(now))
        self.ptrace(PTRACE_SINGLESTEP)
        _, status = os.waitpid(self.tid, WALL)
        if not os.WIFSTOPPED(status):
            raise ProcessLookupError(f"the call ended the process: {status:#x}")
        self.ptrace(PTRACE_GETREGS, ctypes.byref(now))
        return ctypes.c_longlong(now.rax).value

    def __exit__(self, *_):
        try:
            self.ptrace(PTRACE_SETREGS, ctypes.byref(self.before))
            self.ptrace(PTRACE_DETACH)
        except OSError:  # it has ended, and is ours to reap
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.tid, WALL)
