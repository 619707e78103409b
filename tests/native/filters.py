"""System call filters: the flags, what happens to a forbidden call, and a use for each line of the policies."""
import ctypes
import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

from bad_input import kernel_of
from devices import Tap, disk, forbid_io_uring
from kit import (
    Failed,
    Skipped,
    build_folder,
    case,
    expect,
    expect_equal,
    expect_refused,
    is_sanitized,
    mayfly,
    program,
    scratch_file,
)
from kit.terminal import Terminal
from pc_timer import out, pvh_kernel
from policy_trace import TRACED_PROGRAM, Traced, policies, policy_lines
from terminal import TerminalSession

# What no guest of this tier brings about. monitor/sandbox/filters_test.cpp does, under these very filters.
UNIT_TESTED = {
    ("io", "mmap"),
    ("io-plain", "mmap"),
    ("vcpu", "mmap"),
    ("io", "brk"),
    ("io-plain", "brk"),
    ("main", "clock_gettime"),
    ("io", "clock_gettime"),
    ("io-plain", "clock_gettime"),
    ("vcpu", "clock_gettime"),
    ("main", "brk"),
    ("api", "clock_gettime"),
    ("io-plain", "fallocate"),
    ("io", "rt_sigreturn"),
    ("io-plain", "rt_sigreturn"),
}
# When a heap grows and shrinks is the C library's affair.
UNIT_TESTED |= {(role, call) for role in ("main", "io", "io-plain") for call in ("mmap", "munmap", "madvise")}
UNIT_TESTED |= {("api", "brk"), ("api", "madvise")}
UNIT_TESTED |= {("setup", "prctl")}  # strace says it in words, as nothing else
# What main allows its threads beneath their own filters. monitor/policy/policy_test.cpp compares the policies.
BENEATH = ("main", "io", "io-plain", "vcpu", "vcpu-saved")
POLL = 7
BLOCK_IOCTLS = {0x80081272, 0x127B, 0x125E, 0x1268}  # BLKGETSIZE64, BLKPBSZGET, BLKROGET, BLKSSZGET


def tool(*arguments):
    return subprocess.run(
        [os.path.join(os.path.dirname(program()), "mayfly-policy"), *arguments], capture_output=True, check=False
    )


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
        whole = b"".join(open(path, "rb").read() for path in policies())
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
        own = open(next(path for path in policies() if path.endswith("vcpu.policy")), "rb").read()
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
        expect_refused(
            mayfly("run", "--seccomp-filter", scratch_file(folder, "cut", b"MayflyBPvc")), "cut", "end inside"
        )
        result = mayfly("run", "--seccomp-filter", scratch_file(folder, "typo", b"[vcpu]\nraed # typo\n"))
        expect_equal(result.returncode, 125, "status")
        lines = result.stderr.decode().splitlines()
        expect(
            len(lines) == 2 and "typo:2:" in lines[0] and "no system call" in lines[0] and "typo" in lines[1],
            f"lines: {lines}",
        )
        for arguments in ([], ["compile"], ["compile", os.path.join(folder, "absent")], ["collect"]):
            expect_equal(tool(*arguments).returncode, 1, f"status of mayfly-policy {arguments}")
        expect(tool("--help").stdout.startswith(b"mayfly-policy "), "usage")


@case()
def no_guest_runs_before_every_thread_is_under_its_filter():
    """A filter that the kernel refuses ends the start of a guest that has not said a word."""
    with tempfile.TemporaryDirectory() as folder:
        for role, flags in (("main", []), ("vcpu", []), ("io-plain", []), ("io", ["--disk", disk(folder, 1)])):
            no_instruction = struct.pack("<HBBI", 0xFFFF, 0, 0, 0)
            filters = b"MayflyBP" + struct.pack("<16sI", role.encode(), 1) + no_instruction
            result = mayfly("run", *flags, "--seccomp-filter", scratch_file(folder, role, filters))
            expect_equal((result.returncode, result.stdout), (125, b""), f"{role}: {result.stderr!r}")
            expect(b"seccomp" in result.stderr and role.encode() in result.stderr, f"line: {result.stderr!r}")


@case(when="usual", alone="a busy machine misses moments", limit_s=300)
def every_line_of_the_policies_is_used():
    if is_sanitized():
        raise Skipped("a sanitizer's own system calls are among those of the threads")
    if not can_trace():
        raise Skipped("strace is not installed, or may not trace here")
    lines = policy_lines(os.path.join(os.path.dirname(program()), "mayfly-policy"))
    used, attempts = set(), 6  # a busy machine may miss a moment, and what is used once is used
    while attempts > 0 and unused_of(lines, used):
        attempts -= 1
        with tempfile.TemporaryDirectory() as folder:
            kernel_of(folder)  # of the program itself, before another stands in for it
            with Traced(folder) as traced:
                for use in (
                    use_signals,
                    use_signals_as_peer,
                    use_terminal,
                    use_windows,
                    use_crashes,
                    use_pc_timer,
                    use_boot_timer,
                    use_slow_readers,
                    use_devices,
                    use_api,
                ):
                    use(folder)
                used |= traced.used(lines)
    unused = unused_of(lines, used)
    expect(not unused, f"no test needs {', '.join(unused)}")


class ApiClient:
    """Who holds the other end of --api-fd."""

    def __init__(self, **more):
        ours, theirs = socket.socketpair()
        self.socket = ours
        self.process = subprocess.Popen(
            [program(), "--api-fd", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            **{"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more},
        )
        theirs.close()

    def ask(self, method, path, body):
        text = json.dumps(body).encode()
        self.socket.sendall(b"%s %s HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (method, path, len(text)) + text)
        return self.socket.recv(65536)

    def start(self, folder, words):
        kernel = os.path.join(folder, "unikernel")
        self.ask(b"PUT", b"/boot-source", {"kernel_image_path": kernel, "boot_args": words})
        answer = self.ask(b"PUT", b"/actions", {"action_type": "InstanceStart"})
        expect(b" 204 " in answer, f"start: {answer!r}")

    def end(self):
        self.socket.close()
        return self.process.wait(60)


def drive(path, **more):
    return {"drive_id": "d", "path_on_host": path, "is_root_device": False, **more}


def use_api_before_start(folder, client):
    client.ask(b"PUT", b"/machine-config", [0] * 16000)  # as long as a body may be, and longer once it is parsed
    client.ask(b"PUT", b"/drives/d", drive(block_device(), is_read_only=True))
    client.ask(b"PUT", b"/metrics", {"metrics_path": os.path.join(folder, "metrics")})
    path = disk(folder, 64)
    with open(path, "r+b") as file:
        whole_file = struct.pack("hhxxxxqqixxxx", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)  # struct flock
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, whole_file)
        expect(b"in use" in client.ask(b"PUT", b"/drives/d", drive(path)), "a disk of somebody else's was taken")
    for size in (100, 50000):
        client.ask(b"PUT", b"/boot-source", {"kernel_image_path": "x" * size})
    client.ask(b"PUT", b"/drives/d", drive(path))


def block_device():
    with open("/proc/partitions", encoding="ascii") as file:
        names = [line.split()[3] for line in file if line.strip() and not line.startswith("major")]
    return f"/dev/{names[0] if names else 'loop0'}"


def use_api(folder):
    for more in ({}, {"preexec_fn": forbid_io_uring}):
        client = ApiClient(**more)
        use_api_before_start(folder, client)
        with Tap("nat6") as tap:
            client.ask(b"PUT", b"/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap})
            client.start(folder, "quiet loop")
            wait_until_in(client.process, "api", POLL)
            stop_and_continue(client.process, "api")
            client.process.send_signal(signal.SIGRTMAX)
            client.ask(b"PATCH", b"/vm", {"state": "Paused"})
            for state, status in ((f"{folder}/state", b" 204 "), ("/nowhere/state", b" 400 ")):
                paths = {"snapshot_path": state, "mem_file_path": f"{folder}/memory"}
                answer = client.ask(b"PUT", b"/snapshot/create", paths)
                expect(status in answer, f"a snapshot to {state}: {answer!r}")
            client.ask(b"PATCH", b"/vm", {"state": "Resumed"})
            for path in (disk(folder, 64), disk(folder, 32)):
                other = os.path.join(folder, "other")
                shutil.copy(path, other)
                answer = client.ask(b"PATCH", b"/drives/d", {"drive_id": "d", "path_on_host": other})
                expect(b" 204 " in answer, f"another disk: {answer!r}")
            api = thread_called(client.process, "api")
            ctypes.CDLL(None).syscall(234, client.process.pid, api, signal.SIGRTMAX)
            client.socket.sendall(b"garbage\r\n\r\n")
            client.socket.recv(1000)
            expect_equal(client.end(), 128 + signal.SIGHUP, "status after the only client has hung up")
    path = os.path.join(folder, "socket")
    with subprocess.Popen([program(), "--api-sock", path], stdin=subprocess.DEVNULL) as process:
        while not os.path.exists(path):
            time.sleep(0.01)
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            expect(b" 200 " in client.recv(1000), "no answer")
        process.terminate()
    crash_of_api_thread(folder)


def crash_of_api_thread(folder):
    terminal = Terminal()
    client = ApiClient(stdin=terminal.slave, stdout=terminal.slave, stderr=terminal.slave, start_new_session=True)
    client.start(folder, "quiet loop")
    time.sleep(0.5)
    ctypes.CDLL(None).syscall(234, client.process.pid, thread_called(client.process, "api"), signal.SIGSEGV)
    expect_equal(client.process.wait(30), 128 + signal.SIGSEGV, "status after a crash of api")
    terminal.close()


def can_trace():
    if shutil.which("strace") is None:
        return False
    return subprocess.run(["strace", "-D", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def is_for_block_device(line):
    """Of a line that only a drive on a block device needs, where none may be opened."""
    if not any(value in BLOCK_IOCTLS for *_, value in line.conditions):
        return False
    try:
        os.close(os.open(block_device(), os.O_RDONLY))
    except OSError:
        return True
    return False


def unused_of(lines, used):
    beneath = {line.call for line in lines if line.role in BENEATH}
    of_vcpus = [(line.call, line.conditions) for line in lines if line.role == "vcpu"]  # of vcpu-saved, too
    return [
        f"{line.role} line {line.number}: {line.call}"
        for index, line in enumerate(lines)
        if index not in used
        and (line.role, line.call) not in UNIT_TESTED
        and not (line.role == "setup" and line.call in beneath)
        and not (line.role == "vcpu-saved" and (line.call, line.conditions) in of_vcpus)
        and not is_for_saving(line)
        and not is_for_block_device(line)
    ]


def is_for_saving(line):
    """Two of KVM's requests, by which a VM is saved, that this guest has no use for: of a PIT, and of vectors that are
    more than a page. filters_test.cpp makes the one, a host with such vectors the other."""
    of_pit, of_xsave2 = 0xAE9F, 0xAECF
    return line.role in ("api", "vcpu-saved") and any(
        value & 0xFFFF in (of_pit, of_xsave2) for *_, value in line.conditions
    )


def start(*arguments, **more):
    return subprocess.Popen(
        [program(), "run", *arguments],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL, **more},
    )


def use_windows(_folder):
    with start("--stdio", "channel", "--", "silent", "loop") as process:
        thread_called(process, "io")
        time.sleep(0.5)
        process.send_signal(signal.SIGWINCH)
        time.sleep(0.2)
        process.kill()


def stop_and_continue(process, thread="main"):
    """All of the process; it goes on when the thread has stopped."""
    process.send_signal(signal.SIGSTOP)
    stat = f"/proc/{process.pid}/task/{thread_called(process, thread)}/stat"
    give_up = time.monotonic() + 20
    while open(stat, encoding="ascii").read().rpartition(")")[2].split()[0] not in "Tt":
        expect(time.monotonic() < give_up, f"{thread} does not stop")
        time.sleep(0.01)
    time.sleep(0.1)  # a tracer stops it for a moment at each system call
    process.send_signal(signal.SIGCONT)
    time.sleep(0.1)


def use_signals(_folder):
    process = start("--", "quiet", "loop")
    process.stdout.read(5)
    time.sleep(0.5)
    stop_and_continue(process)
    process.send_signal(signal.SIGRTMAX)
    time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    expect_equal(process.wait(30), 128 + signal.SIGTERM, "status after SIGTERM")


def use_signals_as_peer(folder):
    """By Firecracker's name, in which these end the process by themselves."""
    kernel = {"kernel_image_path": os.path.join(folder, "unikernel"), "boot_args": "quiet loop"}
    config = scratch_file(folder, "peer.json", json.dumps({"boot-source": kernel}).encode())
    environment = {**os.environ, TRACED_PROGRAM: str(build_folder() / "lib/mayfly/firecracker/firecracker")}
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
        words = [program(), "--no-api", "--config-file", config]
        with subprocess.Popen(words, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
            process.stdout.read(5)
            time.sleep(0.5)
            process.send_signal(number)
            expect_equal(process.wait(30), -number, f"status after {number.name}")


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
            name = "mayfly" if thread == "vcpu0" else thread  # the first thread
            time.sleep(0.3)
            libc.syscall(234, session.process.pid, thread_called(session.process, name), signal.SIGSEGV)
            expect_equal(session.end(), 128 + signal.SIGSEGV, f"status after a crash of {thread}")
            expect(session.is_restored(), f"{thread} did not restore the terminal")


def use_crashes(folder):
    trace = os.path.join(folder, "trace")
    expect_equal(mayfly("run", "--trace", trace, "--", "crash").returncode, 126, "status of a crash")


def use_pc_timer(folder):
    kernel = pvh_kernel(folder, out(0x43, 0x34))
    expect_equal(mayfly("run", "--kernel", kernel).returncode, 0x34, "status of a guest with a timer")


def use_boot_timer(_folder):
    result = mayfly("run", "--boot-timer", "--", "silent", "boot-signal")
    expect(b"Guest-boot-time" in result.stderr, f"{result.stderr!r}")


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
        wait_until_in(process, "mayfly", POLL)  # the boot vCPU's thread
        stop_and_continue(process)
        process.stdout.read()
        process.wait(60)


def use_devices(folder):
    for more in ({}, {"preexec_fn": forbid_io_uring}):
        result = mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "disk-write=64", **more)
        expect_equal(result.returncode, 0, f"status with a disk ({result.stderr!r})")
        mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "disk-sum=64", **more)
        mayfly("run", "--disk", disk(folder, 64), "--", "quiet", "sum=5000", stdin=bytes(5000), **more)
        with Tap("nat5") as tap:
            result = mayfly("run", "--net", f"tap={tap}", "--", "quiet", "send-frames=100", **more)
            expect_equal(result.returncode, 0, f"status with a TAP ({result.stderr!r})")
