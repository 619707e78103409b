"""What somebody gets who has taken over a thread of a running VM: tests/attack/as_thread.c makes each thread there is
call the kernel, under its real filters, and put requests into its ring."""
import contextlib
import ctypes
import os
import pathlib
import re
import signal
import subprocess

from api_files import Files
from auto_net import OwnNetwork, expect_nothing_left, tables
from auto_net import Vm as RunVm
from devices import disk
from kit import TIME_LIMIT_S, Skipped, case, expect, expect_equal, monitor_pid, scratch
from kit.build import libc
from vm import Vm as ApiVm

ATTACK = pathlib.Path(__file__).parents[1] / "attack"
UNSANITIZED = "a sanitizer's filters let through what it needs, and it has threads of its own"

TRAPPED, KILLED, SUCCEEDED, NO_FILE = "denied (trapped)", "denied (killed)", "SUCCEEDED", "denied (ENOENT)"
OF_OTHER_ARCHITECTURES = {
    "a call of x32",
    "a call of x32 that opens",
    "a call of 32 bits",
    "a number of 32 bits that is another call here",
}
NO_32_BITS = "denied (SEGV)"  # of a kernel that runs no such programs, before any filter
KICK = {"kick a thread of its own": SUCCEEDED}
SETUP = KICK | {
    "KVM_": SUCCEEDED,
    "make a ring": SUCCEEDED,  # in which it can make sockets (docs/system-calls.md)
    "register with a ring": SUCCEEDED,
    "a filter of its own": SUCCEEDED,  # can only forbid more
    "put memory into dumps": SUCCEEDED,  # there are none: their limit is 0
    "read at a place": "denied (ESPIPE)",  # of stdin, which is a pipe
}
if libc() == "glibc":  # whose threads are made by it
    SETUP["clone3"] = SUCCEEDED
PF_USER_WORKER = 0x4000


def has_landlock():
    return ctypes.CDLL(None).syscall(444, None, 0, 1) >= 1


def opens(is_jailed):
    """What the thread of an API may, which opens what clients name: as root here. In a jail nothing has a name."""
    by = " by openat" if libc() == "glibc" else ""
    found = SUCCEEDED if not is_jailed else NO_FILE
    others = NO_FILE if is_jailed else "denied (EACCES)" if has_landlock() else SUCCEEDED
    allowed = {"a socket of UDP": SUCCEEDED, "take an interface": SUCCEEDED, f"open a file{by}": found}
    allowed[f"open another's memory{by}"] = others
    # Of a snapshot's files; these attempts name none.
    allowed |= dict.fromkeys(("remove a file", "rename a file", "write at a place"), SUCCEEDED)
    if not by:
        allowed["open its own memory"] = found
        allowed["open a folder for a nameless file"] = "denied (EROFS)" if is_jailed else SUCCEEDED
    return KICK | allowed


@contextlib.contextmanager
def attacker():
    """The program; and a process that its attacks go at, which they must not reach."""
    with scratch() as folder:
        path = folder / "as-thread"
        sources = [ATTACK / name for name in ("as_thread.c", "ring.c", "thread.c")]
        built = subprocess.run(["cc", "-static", "-O1", "-o", path, *sources], capture_output=True, check=False)
        expect_equal(built.returncode, 0, f"compiler: {built.stderr.decode()}")
        with idle(path) as victim:
            yield Attacker(path, victim)
            state = pathlib.Path(f"/proc/{victim}/stat").read_text(encoding="ascii").split()[2]
            expect_equal(state, "S", "state of a process that attacks went at")


@contextlib.contextmanager
def idle(path):
    with subprocess.Popen([path, "idle"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as process:
        try:
            process.stdout.readline()
            yield process.pid
        finally:
            process.kill()


class Attacker:
    def __init__(self, path, victim):
        self.path, self.victim = path, victim

    def attempt(self, mode, tid, *more):
        """The attempts and what came of each."""
        command = [self.path, mode, str(tid), *map(str, more)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=TIME_LIMIT_S)
        if "may not be traced" in done.stderr or "has no ring" in done.stderr:
            raise Skipped(done.stderr.strip())
        expect_equal(done.stderr, "", f"{mode} as thread {tid}")
        return [tuple(line.split(": ", 1)) for line in done.stdout.splitlines()]

    def attempt_all(self, start, thread, mode="calls", more=lambda pid: []):
        """Those of a mode that begins at a number, as a thread of the VMs that `start` makes: of a new one where an
        attempt has ended it."""
        found = []
        while not found or found[-1][1] == KILLED:
            with start() as process:
                pid = monitor_pid(process.pid)
                first = [self.victim, len(found)] if mode == "calls" else [len(found)]
                new = self.attempt(mode, threads(pid)[thread], *first, *more(pid))
                if new and new[-1][1] == KILLED:
                    status = process.wait(TIME_LIMIT_S)  # not the thread alone; a keeper's own is its affair
                    expect(status == -signal.SIGSYS or process.pid != pid, f"{status} after {new[-1][0]}, as {thread}")
            if not new:
                break
            found += new
        return found

    def expect_denied(self, start, thread, by_design):
        """Its filter stops all attempts but those that it lets through on purpose, of which is known what comes."""
        found = self.attempt_all(start, thread)
        expect(len(found) > 140, f"only {len(found)} attempts")
        kinds = [("KVM_" if name.startswith("KVM_") else name, name, outcome) for name, outcome in found]
        for kind, name, outcome in kinds:
            wanted = (by_design.get(kind, TRAPPED),)
            if name in OF_OTHER_ARCHITECTURES:
                wanted = (KILLED, NO_32_BITS)
            expect(outcome in wanted, f"{name}, as {thread}: {outcome}, and not {wanted[0]}")
        unknown = by_design.keys() - {kind for kind, *_ in kinds}
        expect(not unknown, f"{unknown} was not tried")


def threads(pid):
    """Number by name. The first thread has its program's name: it is vcpu0 where another is main."""
    named = {
        (task / "comm").read_text().strip(): int(task.name) for task in pathlib.Path(f"/proc/{pid}/task").iterdir()
    }
    named.setdefault("vcpu0" if "main" in named else "main", pid)
    return named


@contextlib.contextmanager
def api_vm():
    """One that clients have started."""
    with ApiVm() as vm:
        vm.put("/drives/d", drive_id="d", path_on_host=vm.file("disk", bytes(65536)), is_root_device=False)
        vm.start("quiet loop")
        vm.read_until(b"Hello")
        yield vm.process


@contextlib.contextmanager
def jailed_api_vm():
    with Files() as files:
        path = files.write(files.configuration("quiet loop"))
        with ApiVm("--api-sock", "{folder}/api", "--config-file", path, "--jail") as vm:
            vm.read_until(b"Hello")
            yield vm.process


@contextlib.contextmanager
def api_before_the_start():
    with ApiVm() as vm:
        vm.get("/version")
        yield vm.process


def vms_with_disk(folder, *flags):
    path = f"{disk(folder, 16)},ro"  # two may have it, one of which is about to end
    return lambda: RunVm("--disk", path, *flags)


@case()
def without_a_filter_all_attempts_succeed():
    """Or come as far as their arguments let them: it is the filters that deny them."""
    with attacker() as one, idle(one.path) as victim, idle(one.path) as process:
        found = one.attempt("calls", process, victim, 0) + one.attempt("new-ring", process)
        lacking = ("denied (ENOSYS)", "denied (EOPNOTSUPP)", NO_32_BITS)
        denied = [line for line in found if line[1] != SUCCEEDED and line[1] not in lacking]
        expect(not denied, f"denied without a filter: {denied}")
        missing = [name for name, outcome in found if outcome != SUCCEEDED]
        expect(len(missing) < 10, f"this kernel has too little of what is tried: {missing}")


@case()
def a_thread_of_run_gets_nowhere():
    with attacker() as one, scratch() as folder:
        for flags in ([], ["--jail"]):
            start = vms_with_disk(folder, *flags)
            one.expect_denied(start, "main", KICK)
            one.expect_denied(start, "io", {})
            one.expect_denied(start, "vcpu0", {})


@case()
def the_io_thread_without_a_ring_gets_nowhere():
    with attacker() as one:
        with RunVm() as process:
            pid = monitor_pid(process.pid)
            links = [os.readlink(file) for file in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            expect("anon_inode:[io_uring]" not in links, f"it has a ring: {links}")
        one.expect_denied(RunVm, "io", {})


@case()
def a_thread_of_an_api_gets_nowhere():
    with attacker() as one:
        for start in (api_vm, jailed_api_vm):
            one.expect_denied(start, "main", KICK)
            one.expect_denied(start, "io", {})
            one.expect_denied(start, "vcpu0", {})
            one.expect_denied(start, "api", opens(start is jailed_api_vm))


@case()
def a_thread_of_an_api_gets_nowhere_before_the_start():
    """A ring of the set-up's own sees no filter: it opens no file, for Landlock."""
    with attacker() as one:
        one.expect_denied(api_before_the_start, "main", SETUP)
        one.expect_denied(api_before_the_start, "api", opens(is_jailed=False))
        with api_before_the_start() as process:
            found = dict(one.attempt("new-ring", process.pid))
            if has_landlock():
                expect_equal(found["open a file by a ring"], "denied (EACCES)", "by a ring of its own")
                expect_equal(found["connect by TCP by a ring"], "denied (EACCES)", "by a ring of its own")


@case()
def a_ring_takes_nothing_but_the_devices_requests():
    with attacker() as one, scratch() as folder:
        for start in (vms_with_disk(folder), vms_with_disk(folder, "--jail"), api_vm):
            with start() as process:
                found = one.attempt("ring", threads(monitor_pid(process.pid))["io"])
            expect_equal(found.pop(), ("cancel what is not there", "denied (ENOENT)"), "a request of the devices'")
            expect(len(found) > 250, f"only {len(found)} attempts")
            for name, outcome in found:
                is_unknown = name.startswith("operation ") and outcome == "denied (EINVAL)"
                expect(outcome == "denied (EACCES)" or is_unknown, f"{name}: {outcome}")
            expect(("operation 18", "denied (EACCES)") in found, f"openat: {found}")


@case()
def every_thread_is_under_a_filter():
    """When the guest has said a word, or a client has an answer. KVM's own thread never leaves the kernel."""
    with scratch() as folder:
        with_disk, jailed = vms_with_disk(folder), vms_with_disk(folder, "--jail")
        several = lambda: RunVm("--vcpus", "3")
        for start in (RunVm, several, with_disk, jailed, api_vm, jailed_api_vm, api_before_the_start):
            with start() as process:
                pid = monitor_pid(process.pid)
                expect(start is not several or "vcpu2" in threads(pid), f"threads: {threads(pid)}")
                for name, tid in threads(pid).items():
                    task = pathlib.Path(f"/proc/{pid}/task/{tid}")
                    if int((task / "stat").read_text().rsplit(")", 1)[1].split()[6]) & PF_USER_WORKER:
                        continue
                    status = (task / "status").read_text()
                    for line in ("Seccomp:\t2\n", "NoNewPrivs:\t1\n"):
                        expect(line in status, f"{name} has no {line!r}: {status}")
                limits = pathlib.Path(f"/proc/{pid}/limits").read_text()
                expect(re.search(r"Max core file size +0 +0 ", limits), f"limits: {limits}")
                expect_equal(os.stat(f"/proc/{pid}/mem").st_uid, 0, "who may open its memory")


# --- What holds the rules of a network ---------------------------------------------------------


def descriptors(pid):
    """Of the thread that holds the rules: number and name of each."""
    folder = pathlib.Path(f"/proc/{pid}/task/{threads(pid)['holder']}/fd")
    return {int(file.name): os.readlink(file) for file in folder.iterdir()}


@contextlib.contextmanager
def vm_of_a_network(*flags):
    with RunVm("--net", "auto", *flags) as process:
        yield process
    expect_nothing_left("by one that was taken over", of_keeper="--jail" in flags)


@case()
def no_thread_reaches_what_holds_the_rules():
    with OwnNetwork(), attacker() as one:
        for flags in ([], ["--jail"]):
            for thread in ("main", "io", "vcpu0"):
                with vm_of_a_network(*flags) as process:
                    pid = monitor_pid(process.pid)
                    held, rules = descriptors(pid), tables()
                    expect(held and "mayfly0" in rules, f"it holds {held}: {rules}")
                    found = one.attempt("lifeline", threads(pid)[thread], 0, *held)
                    expect(len(found) > 8 * len(held), f"only {len(found)} attempts")
                    for name, outcome in found:
                        if name in ("close all", "share descriptors no more", "duplicate it"):
                            expect_equal(outcome, TRAPPED, f"{name}, as {thread}")
                    expect_equal((descriptors(pid), tables()), (held, rules), f"held, and rules, after {thread}")


@case(when="usual")
def the_thread_that_holds_the_rules_can_only_end_with_all():
    with OwnNetwork(), attacker() as one:
        found = one.attempt_all(vm_of_a_network, "holder", "lifeline", descriptors)
        found += one.attempt_all(vm_of_a_network, "holder")
        expect(len(found) > 150, f"only {len(found)} attempts")
        lived = [line for line in found if line[1] != KILLED]
        expect(not lived, f"it lives on: {lived}")
