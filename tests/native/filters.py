"""System call filters: the flags, what happens to a forbidden call, and a use for each line of the policies."""
import ctypes
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time

from devices import Tap, disk, forbid_io_uring
from harness import Failed, Skipped, case, expect, expect_equal, expect_refused, is_sanitized, mayfly, program, scratch_file
from policy_trace import POLICIES, Traced, policy_lines
from terminal import TerminalSession

# What no guest of this tier brings about. monitor/sandbox/filters_test.cpp does, under these very filters.
UNIT_TESTED = {("io", "mmap"), ("io-plain", "mmap"), ("vcpu", "mmap"), ("io", "brk"), ("io-plain", "brk"),
               ("main", "clock_gettime"), ("io", "clock_gettime"), ("io-plain", "clock_gettime"), ("vcpu", "clock_gettime"),
               ("main", "brk"), ("io-plain", "fallocate"), ("io", "rt_sigreturn"), ("io-plain", "rt_sigreturn")}
POLL = 7


def tool(*arguments):
    return subprocess.run([os.path.join(os.path.dirname(program()), "mayfly-policy"), *arguments],
                          capture_output=True, check=False)


@case()
def no_seccomp_warns():
    result = mayfly("run", "--no-seccomp", "--", "exit=3")
    expect_equal(result.returncode, 3, "status")
    expect(b"--no-seccomp" in result.stderr, f"no warning: {result.stderr!r}")


@case()
def a_policy_of_the_users_as_text_and_compiled():
    if is_sanitized():
        raise Skipped("the policies as files leave out what a sanitizer needs")
    with tempfile.TemporaryDirectory() as folder:
        whole = b"".join(open(path, "rb").read() for path in POLICIES)
        text = scratch_file(folder, "policy", whole)
        result = mayfly("run", "--seccomp-filter", text, "--", "exit=4")
        expect_equal((result.returncode, result.stderr), (4, b""), "status with a policy as text")
        compiled = tool("compile", text)
        expect_equal((compiled.returncode, compiled.stderr), (0, b""), "mayfly-policy")
        file = scratch_file(folder, "compiled", compiled.stdout)
        result = mayfly("run", "--seccomp-filter", file, "--", "exit=5")
        expect_equal((result.returncode, result.stderr), (5, b""), "status with a compiled policy")
        strange = scratch_file(folder, "strange", b"[gpu]\nioctl # all\n")
        expect_refused(mayfly("run", "--seccomp-filter", strange), "strange", "role")
        # All that a vCPU needs but to run its guest.
        own = open(next(path for path in POLICIES if path.endswith("vcpu.policy")), "rb").read()
        fewer = scratch_file(folder, "fewer", own.replace(b"ioctl  arg1 == KVM_RUN ", b"ioctl  arg1 == 0 "))
        result = mayfly("run", "--seccomp-filter", fewer, "--", "exit=6")
        expect_equal(result.returncode, 148, f"status without KVM_RUN ({result.stderr!r})")
        expect(b"(ioctl)" in result.stderr and b"thread vcpu0" in result.stderr, f"line: {result.stderr!r}")


@case(needs_kvm=False)
def policies_that_are_none():
    with tempfile.TemporaryDirectory() as folder:
        expect_refused(mayfly("run", "--seccomp-filter", os.path.join(folder, "absent")), "absent", "No such file")
        expect_refused(mayfly("run", "--seccomp-filter", folder), folder)
        expect_refused(mayfly("run", "--seccomp-filter="), "--seccomp-filter", "needs a file's name")
        expect_refused(mayfly("run", "--seccomp-filter", "x", "--no-seccomp"), "--seccomp-filter", "exclude")
        expect_refused(mayfly("run", "--seccomp-filter", scratch_file(folder, "cut", b"MayflyBPvc")), "cut", "end inside")
        result = mayfly("run", "--seccomp-filter", scratch_file(folder, "typo", b"[vcpu]\nraed # typo\n"))
        expect_equal(result.returncode, 125, "status")
        lines = result.stderr.decode().splitlines()
        expect(len(lines) == 2 and "typo:2:" in lines[0] and "no system call" in lines[0] and "typo" in lines[1],
               f"lines: {lines}")
        for arguments in ([], ["compile"], ["compile", os.path.join(folder, "absent")], ["collect"]):
            expect_equal(tool(*arguments).returncode, 1, f"status of mayfly-policy {arguments}")
        expect(tool("--help").stdout.startswith(b"mayfly-policy "), "usage")


@case()
def every_line_of_the_policies_is_used():
    if is_sanitized():
        raise Skipped("a sanitizer's own system calls are among those of the threads")
    if not can_trace():
        raise Skipped("strace is not installed, or may not trace here")
    lines = policy_lines(os.path.join(os.path.dirname(program()), "mayfly-policy"))
    used, attempts = set(), 3  # a busy machine may miss a moment, and what is used once is used
    while attempts > 0 and unused_of(lines, used):
        attempts -= 1
        with tempfile.TemporaryDirectory() as folder, Traced(folder) as traced:
            for use in (use_signals, use_terminal, use_windows, use_crashes, use_slow_readers, use_devices):
                use(folder)
            used |= traced.used(lines)
    unused = unused_of(lines, used)
    expect(not unused, f"no test needs {', '.join(unused)}")


def can_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-D", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def unused_of(lines, used):
    return [f"{line.role} line {line.number}: {line.call}" for index, line in enumerate(lines)
            if index not in used and (line.role, line.call) not in UNIT_TESTED]


def start(*arguments, **more):
    return subprocess.Popen([program(), "run", *arguments], **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE,
                                                               "stderr": subprocess.DEVNULL, **more})


def use_windows(_folder):
    with start("--stdio", "channel", "--", "silent", "loop") as process:
        thread_called(process, "io")
        time.sleep(0.5)
        process.send_signal(signal.SIGWINCH)
        time.sleep(0.2)
        process.kill()


def stop_and_continue(process):
    process.send_signal(signal.SIGSTOP)
    time.sleep(0.1)
    process.send_signal(signal.SIGCONT)
    time.sleep(0.1)


def use_signals(_folder):
    process = start("--", "quiet", "loop")
    process.stdout.read(5)
    time.sleep(0.5)
    stop_and_continue(process)
    process.send_signal(signal.SIGRTMIN)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    expect_equal(process.wait(30), 128 + signal.SIGTERM, "status after SIGTERM")


def thread_called(process, name):
    for _ in range(100):
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/comm", encoding="ascii") as comm:
                if comm.read().strip() == name:
                    return int(task)
        time.sleep(0.1)
    raise Failed(f"no thread is called {name}")


def wait_until_in(process, thread, call):
    """Until the thread waits inside a system call."""
    task = thread_called(process, thread)
    for _ in range(2000):
        with open(f"/proc/{process.pid}/task/{task}/syscall", encoding="ascii") as file:
            if file.read().split()[0] == str(call):
                return
        time.sleep(0.01)
    raise Failed(f"{thread} was not seen in system call {call}")


def use_terminal(folder):
    session = TerminalSession("quiet", "loop")
    session.read_until(b"Hello")
    time.sleep(0.5)
    os.kill(session.process.pid, signal.SIGTSTP)
    time.sleep(0.5)
    os.kill(session.process.pid, signal.SIGCONT)
    session.type(b"\x01x")
    session.end()
    # A thread that crashes restores the terminal itself.
    libc = ctypes.CDLL(None)
    for flags in ([], ["--disk", disk(folder, 1)]):
        for thread in ("vcpu0", "io", "main"):
            session = TerminalSession("quiet", "loop", flags=flags)
            session.read_until(b"Hello")
            name = "mayfly" if thread == "main" else thread
            time.sleep(0.3)
            libc.syscall(234, session.process.pid, thread_called(session.process, name), signal.SIGSEGV)
            expect_equal(session.end(), 128 + signal.SIGSEGV, f"status after a crash of {thread}")
            expect(session.mode_is_restored(), f"{thread} did not restore the terminal")


def use_crashes(_folder):
    expect_equal(mayfly("run", "--", "crash").returncode, 126, "status of a crash")


def use_slow_readers(folder):
    flags = [[], ["--disk", disk(folder, 1)]]
    for more in flags:
        for lines in (8000, 3500):  # what waits is flushed while the guest writes more, or when it has ended
            ours, theirs = socket.socketpair()
            process = start(*more, "--", "quiet", f"print={lines}", stdout=theirs)
            theirs.close()
            time.sleep(1)
            while ours.recv(1 << 20):
                time.sleep(0.002)
            expect_equal(process.wait(60), 0, "status with a socket")
        process = start(*more, "--", "quiet", "print=8000")
        wait_until_in(process, "vcpu0", POLL)
        stop_and_continue(process)
        process.stdout.read()
        process.wait(60)


def use_devices(folder):
    for more in ({}, {"preexec_fn": forbid_io_uring}):
        result = mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "disk-write=64", **more)
        expect_equal(result.returncode, 0, f"status with a disk ({result.stderr!r})")
        mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "disk-sum=64", **more)
        mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "sum=5000", stdin=bytes(5000), **more)
        with Tap("mfnat5") as tap:
            result = mayfly("run", "--net", f"tap={tap}", "--", "quiet", "send-frames=100", **more)
            expect_equal(result.returncode, 0, f"status with a TAP ({result.stderr!r})")
