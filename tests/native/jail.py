"""mayfly-jailer, as its users and as an attacker inside it see it; and `mayfly run --jail`."""
import concurrent.futures
import contextlib
import ctypes
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time

from bad_input import kernel_of
from devices import Tap
from kit import (
    Skipped,
    case,
    expect,
    expect_equal,
    expect_refused,
    is_sanitized,
    mayfly,
    monitor_pid,
    program,
    scratch_file,
)
from kit.api import Api
from pc_timer import pvh_kernel

ALONE = "its cases find their processes by their user, and compare the mounts of the host"

UID, GID = 23456, 23457
ATTACK = pathlib.Path(__file__).parents[1] / "attack/attack.c"


def jailer_path():
    return os.path.join(os.path.dirname(program()), "mayfly-jailer")


def the_static_program():
    """A release's; other builds of the monitor are not static, and no jail takes them."""
    if b"/ld-linux" in open(program(), "rb").read(4096):
        raise Skipped("this build is not static")
    return program()


def needs_root():
    if os.geteuid() != 0:
        raise Skipped("jails of this kind need root")


class Base:
    """A folder for jails. Afterwards nothing of them is left: folders, mounts, processes."""

    def __enter__(self):
        needs_root()
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.mounts = mounts()
        return self

    def __exit__(self, failed, *_):
        shutil.rmtree(self.folder, onerror=self.is_gone)  # beside a cleaner that may still be at work
        if failed is None:
            expect_equal(mounts(), self.mounts, "mounts of the host")

    @staticmethod
    def is_gone(_, path, error):
        if error[0] is not FileNotFoundError:
            raise error[1]

    def flags(self, name, file, *more):
        return [
            jailer_path(),
            "--id",
            name,
            "--exec-file",
            str(file),
            "--uid",
            str(UID),
            "--gid",
            str(GID),
            "--chroot-base-dir",
            self.folder,
            *more,
        ]

    def run(self, name, file, *more, **options):
        return subprocess.run(
            self.flags(name, file, *more),
            **{"capture_output": True, "check": False, "stdin": subprocess.DEVNULL, "timeout": 60, **options},
        )

    def start(self, name, file, *more):
        return subprocess.Popen(
            self.flags(name, file, *more), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    def jail(self, name, file):
        return pathlib.Path(self.folder, os.path.basename(file), name)


def mounts():
    return pathlib.Path("/proc/self/mounts").read_text()


def expect_jail_refused(base, result, *words):
    """Status 1, one line with all the words, and nothing left."""
    expect_equal(result.returncode, 1, f"status ({result.stderr!r})")
    expect_equal(result.stdout, b"", "stdout")
    lines = result.stderr.decode().splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    expect(lines[0].startswith("mayfly-jailer: "), f"no prefix: {lines[0]!r}")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")
    left = [
        path
        for path in pathlib.Path(base.folder).rglob("*")
        if path.parent.parent != pathlib.Path(base.folder).parent and path.parent != pathlib.Path(base.folder)
    ]
    expect(not left, f"left behind: {left}")


def build_attack(folder):
    path = os.path.join(folder, "attack")
    built = subprocess.run(["cc", "-static", "-O1", "-o", path, str(ATTACK)], capture_output=True, check=False)
    expect_equal(built.returncode, 0, f"compiler: {built.stderr.decode()}")
    return path


def unprivileged():
    """In the child: somebody who may open /dev/kvm if its group may."""
    os.setgroups([os.stat("/dev/kvm").st_gid])
    os.setgid(GID)
    os.setuid(UID)


def wait_for(what, limit_s=20):
    deadline = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@case()
def a_jail_has_the_devices_and_nothing_else():
    with Base() as base:
        file = the_static_program()
        result = base.run("a1", file, "--", "run", "--", "exit=7")
        expect_equal((result.returncode, result.stderr), (7, b""), "status and stderr")
        expect(b"Hello from a Mayfly guest" in result.stdout, "the guest's line")
        root = base.jail("a1", file) / "root"
        found = {str(path.relative_to(root)): path for path in [root, *root.rglob("*")]}
        expect_equal(sorted(found), [".", "dev", "dev/kvm", "dev/net", "dev/net/tun", "dev/urandom", "run"], "contents")
        for name, path in found.items():
            status = path.lstat()
            expect_equal((status.st_uid, status.st_gid), (UID, GID), f"owner of {name}")
            device = name in ("dev/kvm", "dev/net/tun", "dev/urandom")
            expect_equal(stat.filemode(status.st_mode), "crw-------" if device else "drwx------", f"mode of {name}")
        numbers = [
            (os.major(found[name].lstat().st_rdev), os.minor(found[name].lstat().st_rdev))
            for name in ("dev/kvm", "dev/net/tun", "dev/urandom")
        ]
        expect_equal(numbers, [(10, 232), (10, 200), (1, 9)], "device numbers")


@case(needs_kvm=False)
def no_base_that_others_can_write_is_used():
    """Nor one that is reached through what they can write; nothing is made there."""
    with Base() as base:
        file = the_static_program()
        top = base.folder

        def refuse(folder, *words):
            base.folder = folder
            before = sorted(str(path) for path in pathlib.Path(top).rglob("*"))
            result = base.run("a1", file, "--", "run")
            base.folder = top
            expect_equal(result.returncode, 1, f"status with {folder} ({result.stderr!r})")
            for word in ("--chroot-base-dir", *words):
                expect(word.encode() in result.stderr, f"{word!r} is not in {result.stderr!r}")
            expect_equal(sorted(str(path) for path in pathlib.Path(top).rglob("*")), before, f"made in {folder}")

        def make(name, mode=0o755, owner=0):
            path = os.path.join(top, name)
            os.mkdir(path)
            os.chown(path, owner, owner)
            os.chmod(path, mode)
            return path

        refuse(make("theirs", owner=UID), "others may write")
        refuse(make("theirs/mine"), "others may write")
        refuse(os.path.join(top, "theirs/absent/deep"), "others may write")
        refuse(make("all", mode=0o777), "others may write")
        refuse(make("sticky", mode=0o1777), "others may write")
        refuse(make("group", mode=0o775), "others may write")
        victim = make("victim")
        os.symlink(victim, os.path.join(top, "link"))
        refuse(os.path.join(top, "link"), "link")
        refuse(os.path.join(top, "link/deep"), "link")


@case(needs_kvm=False)
def no_link_in_a_base_is_followed():
    """The folder that one leads to would become the jail's: its owner changed, device nodes made in it."""
    with Base() as base:
        file = the_static_program()
        name = os.path.basename(file)
        victim = pathlib.Path(base.folder, "victim")
        (victim / "root").mkdir(parents=True)
        for place in (name, f"{name}/a1", f"{name}/a1/root"):
            link = pathlib.Path(base.folder, place)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(victim)
            result = base.run("a1", file, "--cleanup", "--", "run")
            expect_equal(result.returncode, 1, f"status with a link for {place} ({result.stderr!r})")
            expect(b"--chroot-base-dir" in result.stderr, f"line: {result.stderr!r}")
            expect_equal([str(path) for path in victim.rglob("*")], [str(victim / "root")], "what the link leads to")
            for folder in (victim, victim / "root"):
                status = folder.stat()
                expect_equal((status.st_uid, status.st_mode & 0o7777), (0, 0o755), f"owner and mode of {folder}")
            link.unlink()
        theirs = base.jail("a2", file) / "root"
        theirs.mkdir(parents=True)
        os.chown(theirs, GID, GID)
        expect(b"remove it" in base.run("a2", file, "--", "run").stderr, "a root of somebody else's is used")


@case()
def a_second_jail_of_the_same_id_is_refused():
    with Base() as base:
        file = the_static_program()
        first = base.start("a1", file, "--", "run", "--", "quiet", "loop")
        first.stdout.read(5)
        second = base.run("a1", file, "--", "run")
        expect_equal(second.returncode, 1, "status of the second")
        expect(b"in use" in second.stderr, f"line: {second.stderr!r}")
        expect_equal(first.poll(), None, "the first one's status")
        first.terminate()
        expect_equal(first.wait(30), 128 + signal.SIGTERM, "status after SIGTERM")


@case()
def a_jail_that_is_cleaned_up_is_there_for_the_next_at_once():
    """What ends is the VM, and its cleaner works on: the next jailer waits for it."""
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        file = the_static_program()
        for number in range(30):
            # Into a file: a pipe would wait for those that are not waited for.
            with open(os.path.join(folder, "out"), "w+b") as out:
                streams = {"capture_output": False, "stdout": out, "stderr": out}
                result = base.run("a1", file, "--cleanup", "--", "run", "--", "quiet", f"exit={number}", **streams)
                out.seek(0)
                expect_equal(result.returncode, number, f"status of start {number} ({out.read()!r})")
        expect(wait_for(lambda: not list(base.jail("a1", file).parent.iterdir())), "something is left")


@case()
def a_jail_belongs_to_the_vm_that_runs_in_it():
    with Base() as base:
        file = the_static_program()
        first = base.start("a1", file, "--cleanup", "--", "run", "--", "quiet", "loop")
        first.stdout.read(5)
        lock = base.jail("a1", file).with_suffix(".lock")
        expect_equal(stat.S_IMODE(lock.stat().st_mode), 0o600, "mode of its lock")
        for more in ([], ["--cleanup"]):
            second = base.run("a1", file, *more, "--", "run")
            expect_refused_jailer(second, "a1: --id: a VM runs in this jail")
        expect_equal(first.poll(), None, "the first one's status")
        expect((base.jail("a1", file) / "root/dev/kvm").exists(), "its device is gone")
        first.kill()
        expect(wait_for(lambda: not lock.exists()), "the lock is left")
        expect(not base.jail("a1", file).exists(), "the jail is left behind its lock")
        first.communicate()
        # As a jailer that was killed leaves it; and one that others could lock.
        lock.touch(0o600)
        expect_equal(base.run("a1", file, "--cleanup", "--", "run", "--", "quiet").returncode, 0, "status with a lock")
        expect(wait_for(lambda: not lock.exists()), "the lock is left")
        lock.touch()
        lock.chmod(0o644)
        expect_refused_jailer(base.run("a1", file, "--cleanup", "--", "run"), "a1.lock", "not permitted")


def expect_refused_jailer(result, *words):
    expect_equal((result.returncode, result.stdout), (1, b""), f"status and stdout ({result.stderr!r})")
    for word in words:
        expect(word in result.stderr.decode(), f"{word!r} is not in {result.stderr!r}")


@case()
def bad_jails_leave_nothing():
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        file = the_static_program()
        for name in ("", "..", "a/b", "a" * 65):
            expect_jail_refused(base, base.run(name, file), "--id")
        expect_jail_refused(base, base.run("a", os.path.join(folder, "absent")), "absent", "No such file")
        expect_jail_refused(base, base.run("a", folder + "/../x"), "--exec-file", "..")
        expect_jail_refused(base, base.run("a", folder), folder, "not a regular file")
        expect_jail_refused(base, base.run("a", scratch_file(folder, "text", b"#!/bin/sh\n")), "not executable")
        copy = os.path.join(folder, "copy")
        shutil.copy(file, copy)
        os.link(copy, os.path.join(folder, "link"))
        expect_jail_refused(base, base.run("a", copy), "copy", "more than one name")
        expect_jail_refused(base, base.run("a", "/bin/true"), "not static")
        expect_jail_refused(base, base.run("a", file, "--netns", os.path.join(folder, "absent")), "--netns", "absent")
        expect_jail_refused(base, base.run("a", file, "--netns", copy), "--netns", "copy")
        expect_jail_refused(base, base.run("a", file, "--cgroup", "mayfly.max=1"), "mayfly.max", "controller")
        expect_jail_refused(base, base.run("a", file, "--bind", f"{folder}/absent:/x"), "absent")
        expect_jail_refused(base, base.run("a", file, "--keep-fd", "99"), "--keep-fd")
        expect_jail_refused(base, base.run("a", file, "--uid", "5"), "--uid", "twice")
        expect_jail_refused(base, base.run("a", file, "--chroot-base-dir=/proc/x"), "--chroot-base-dir")
        no_uid = [word if word != str(UID) else "4294967295" for word in base.flags("a", file)]
        expect_jail_refused(base, subprocess.run(no_uid, capture_output=True, check=False), "--uid")
        mine = os.path.join(folder, "mine")
        shutil.copy(file, mine)
        os.chmod(mine, 0o700)
        expect_jail_refused(base, base.run("a", mine), "not executable for the user")
        # What only fails inside the jail, with a bind there and a daemon's stderr given up already.
        for more in ([], ["--daemonize"], ["--new-pid-ns"]):
            result = base.run(
                "a", file, *more, "--bind", f"{folder}:/bound", "--resource-limit", "no-file=2000000000", "--", "run"
            )
            expect_jail_refused(base, result, "setrlimit")
        base.folder = "/proc/absent"
        result = base.run("a", file)
        expect_equal(result.returncode, 1, "status with a base that cannot be written")
        expect(b"--chroot-base-dir" in result.stderr, f"line: {result.stderr!r}")
        base.folder = tempfile.mkdtemp()


@case()
def what_the_caller_put_there_stays_and_binds_are_seen():
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        file = the_static_program()
        root = base.jail("a1", file) / "root"
        root.mkdir(parents=True)
        disk = scratch_file(root, "disk", bytes(4096) * 16)
        os.chown(disk, UID, GID)
        other = scratch_file(folder, "other", b"\x01" * 4096 * 16)
        os.chmod(folder, 0o755)
        os.chmod(other, 0o644)
        result = base.run(
            "a1",
            file,
            "--bind",
            f"{other}:/disks/other:ro",
            "--",
            "run",
            "--disk",
            "/disk",
            "--disk",
            "/disks/other,ro",
            "--",
            "quiet",
            "disk-write=16",
        )
        expect_equal((result.returncode, result.stderr), (0, b""), "status with both disks")
        expect(pathlib.Path(disk).read_bytes() != bytes(4096) * 16, "the caller's disk was not written")
        expect_equal((root / "disks/other").read_bytes(), b"", "what the host sees of the bind")
        # A link in the jail leads nowhere.
        link = base.jail("a2", file) / "root"
        link.mkdir(parents=True)
        os.symlink(folder, link / "dev")
        result = base.run("a2", file, "--", "run")
        expect_equal(result.returncode, 1, "status with a link for /dev")
        expect_equal(sorted(os.listdir(folder)), ["other"], "the folder that the link names")


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


@contextlib.contextmanager
def shared_mount(folder):
    """The folder is a mount whose mounts others see, whatever it is part of."""
    mount("--bind", folder, folder)
    try:
        mount("--make-shared", folder)
        yield
    finally:
        subprocess.run(["umount", "--recursive", folder], check=True)


@case()
def mounts_in_the_jails_folder_are_seen_inside():
    """Those that are there before the start, and those that come and go while the VM is set up."""
    with Base() as base, shared_mount(base.folder):
        file = the_static_program()
        root = base.jail("a1", file) / "root"
        (root / "before").mkdir(parents=True)
        (root / "after").mkdir()
        mount("-t", "tmpfs", "-o", "mode=0755", "before", str(root / "before"))
        kernel = pathlib.Path(kernel_of(str(root / "before")))
        kernel.chmod(0o644)
        vm = base.start("a1", file, "--", "--api-sock", "/api")
        api = Api(str(root / "api"))
        api.wait(vm)
        api.put("/boot-source", kernel_image_path=f"/before/{kernel.name}", boot_args="exit=5")
        drive = {"drive_id": "d", "is_root_device": False, "path_on_host": "/after/disk"}
        api.refuse("PUT", "/drives/d", drive, "No such file")
        mount("-t", "tmpfs", "-o", "mode=0755", "after", str(root / "after"))
        os.chown(scratch_file(root / "after", "disk", bytes(4096)), UID, GID)
        api.do("PUT", "/drives/d", drive)
        api.action("InstanceStart")
        expect_equal(vm.wait(30), 5, "status of the guest")


@case()
def the_program_gets_nothing_of_the_callers():
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        attack = build_attack(folder)
        descriptor = os.open("/dev/null", os.O_RDWR)
        result = base.run("a1", attack, "--", "report", pass_fds=[descriptor], env={"SECRET": "1"})
        words = result.stdout.decode().splitlines()
        expect_equal(words[:3], ["variables: 0", "descriptors: 0 1 2", f"ids: {UID} {GID} 0"], "what it was given")
        result = base.run("a2", attack, "--keep-fd", str(descriptor), "--", "report", pass_fds=[descriptor])
        expect(f"descriptors: 0 1 2 {descriptor}" in result.stdout.decode(), f"kept: {result.stdout!r}")
        result = base.run("a3", attack)
        expect_equal(result.returncode, 100, "status without arguments: those of Firecracker's jailer are handed over")
        os.close(descriptor)


KEY = 0x4D61  # of the shared memory that attack.c looks for
SYS_SHMGET, SYS_SHMCTL, SYS_ADD_KEY, SYS_KEYCTL = 29, 31, 248, 250
IPC_CREAT, IPC_RMID, KEYCTL_JOIN_SESSION_KEYRING, KEY_SPEC_SESSION_KEYRING = 0o1000, 0, 1, -3


@contextlib.contextmanager
def something_of_the_host():
    """What attack.c tries to get at: sockets, shared memory, a process; gives the number of each but the last's."""
    libc = ctypes.CDLL(None, use_errno=True)
    with socket.socket() as server, socket.socket(socket.AF_UNIX) as abstract, socket.socket(
        socket.AF_UNIX, socket.SOCK_DGRAM
    ) as datagrams:
        server.bind(("127.0.0.1", 0))
        server.listen()
        abstract.bind(b"\0mayfly-attack")
        abstract.listen()
        datagrams.bind(b"\0mayfly-datagrams")
        shared = libc.syscall(SYS_SHMGET, KEY, 4096, IPC_CREAT | 0o666)
        expect(shared >= 0, f"no shared memory: {os.strerror(ctypes.get_errno())}")
        with subprocess.Popen(["sleep", "600"]) as process:
            try:
                yield process.pid, server.getsockname()[1]
                expect_equal(process.poll(), None, "the host's process")
            finally:
                libc.syscall(SYS_SHMCTL, shared, IPC_RMID, None)
                process.kill()


def with_a_key():
    """In the child: a session that has one."""
    libc = ctypes.CDLL(None)
    if libc.syscall(SYS_KEYCTL, KEYCTL_JOIN_SESSION_KEYRING, None) >= 0:
        libc.syscall(SYS_ADD_KEY, b"user", b"mayfly-attack", b"secret", 6, KEY_SPEC_SESSION_KEYRING)


@case()
def an_attacker_gets_nowhere():
    with Base() as base, tempfile.TemporaryDirectory() as folder, something_of_the_host() as theirs:
        attack = build_attack(folder)
        other = base.jail("other", attack) / "root/dev"
        other.mkdir(parents=True)
        (other / "kvm").touch()
        for more in ([], ["--new-pid-ns"]):
            out = os.path.join(folder, "out")
            with open(out, "wb") as file:
                subprocess.run(
                    base.flags(f"a{len(more)}", attack, *more, "--", *map(str, theirs)),
                    stdout=file,
                    check=False,
                    preexec_fn=with_a_key,
                )
            expect(wait_for(lambda: "reboot" in open(out).read()), f"the attack has not ended: {open(out).read()}")
            lines = open(out).read().splitlines()
            wins = [line for line in lines if "SUCCEEDED" in line]
            expect(not wins, f"with {more}: {wins}")
            expect(len(lines) >= 55, f"only {len(lines)} attempts")


@case()
def a_process_namespace_and_its_file():
    with Base() as base:
        file = the_static_program()
        out = os.path.join(base.folder, "out")
        with open(out, "wb") as stdout:
            done = subprocess.run(
                base.flags("a1", file, "--new-pid-ns", "--", "run", "--", "quiet", "loop"),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                check=False,
            )
        expect_equal(done.returncode, 0, "status of the jailer")
        pid = int((base.jail("a1", file) / f"root/{os.path.basename(file)}.pid").read_text())
        expect(wait_for(lambda: "Hello" in open(out).read()), "the guest's line")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        expect(re.search(r"NSpid:\s+\d+\s+1\n", status), "its process id there is not 1")
        os.kill(pid, signal.SIGTERM)
        expect(
            wait_for(
                lambda: not os.path.exists(f"/proc/{pid}")
                or "zombie" in pathlib.Path(f"/proc/{pid}/status").read_text()
            ),
            "it has not ended",
        )


@case()
def a_bound_folder_survives_the_clean_up():
    """From inside and outside the jail's mount namespace: only the jail is removed."""
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        file = the_static_program()
        os.chmod(folder, 0o777)
        kept = scratch_file(folder, "kept", b"kept")
        for more in ([], ["--new-pid-ns"]):
            with open(os.path.join(base.folder, "out"), "wb") as out:
                subprocess.run(
                    base.flags(
                        "a1", file, *more, "--cleanup", "--bind", f"{folder}:/shared", "--", "run", "--", "quiet"
                    ),
                    stdin=subprocess.DEVNULL,
                    stdout=out,
                    check=True,
                )
            expect(wait_for(lambda: not base.jail("a1", file).exists()), f"the jail is left with {more}")
            expect_equal(pathlib.Path(kept).read_bytes(), b"kept", "the bound folder's file")


@case()
def the_jailer_needs_no_root():
    needs_root()
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        for name in ("mayfly", "mayfly-jailer"):
            shutil.copy(os.path.join(os.path.dirname(the_static_program()), name), folder)
        base = os.path.join(folder, "base")
        os.mkdir(base)
        os.chown(base, UID, GID)
        if subprocess.run(["test", "-w", "/dev/kvm"], preexec_fn=unprivileged, check=False).returncode != 0:
            raise Skipped("only root may open /dev/kvm here")
        for more, status in (([], 9), (["--cleanup"], 9), (["--new-pid-ns", "--cleanup"], 0)):
            name = f"n{len(more)}"
            result = subprocess.run(
                [
                    os.path.join(folder, "mayfly-jailer"),
                    "--id",
                    name,
                    "--exec-file",
                    os.path.join(folder, "mayfly"),
                    "--uid",
                    "1000",
                    "--gid",
                    "1000",
                    "--chroot-base-dir",
                    base,
                    *more,
                    "--",
                    "run",
                    "--",
                    "exit=9",
                ],
                preexec_fn=unprivileged,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            if b"user namespaces" in result.stderr:
                raise Skipped("no user namespaces here")
            expect_equal((result.returncode, result.stderr), (status, b""), f"status with {more}")
            expect(b"Hello" in result.stdout, "the guest's line")
            if "--cleanup" in more:
                expect(wait_for(lambda name=name: not os.path.exists(f"{base}/mayfly/{name}")), f"left with {more}")


@case()
def daemons_have_a_session_and_no_terminal():
    with Base() as base:
        file = the_static_program()
        result = base.run("a1", file, "--daemonize", "--cleanup", "--", "run", "--", "quiet", "loop")
        expect_equal((result.returncode, result.stdout, result.stderr), (0, b"", b""), "the jailer's end")
        pid = next(int(task) for task in os.listdir("/proc") if task.isdigit() and is_in(task, UID))
        expect_equal(os.getsid(pid), pid, "its session")
        expect_equal({os.readlink(f"/proc/{pid}/fd/{fd}") for fd in range(3)}, {"/dev/null"}, "its descriptors")
        told = base.jail("a1", file) / f"root/{os.path.basename(file)}.pid"
        expect_equal(told.read_text(), str(pid), "its process id, as with --new-pid-ns")
        expect_equal((told.stat().st_uid, stat.S_IMODE(told.stat().st_mode)), (0, 0o644), "owner and mode of that")
        os.kill(pid, signal.SIGKILL)
        expect(wait_for(lambda: not base.jail("a1", file).exists()), "the jail was not cleaned up")
        result = base.run("a2", file, "--daemonize", "--bind", "/absent:/x")
        expect_equal(result.returncode, 1, "status of a daemon that could not start")
        # The file is made, never found: the jail's user may have put a link there.
        for more in (["--daemonize"], ["--new-pid-ns"]):
            place = base.jail("a3", file) / f"root/{os.path.basename(file)}.pid"
            place.parent.mkdir(parents=True)
            place.parent.chmod(0o700)
            place.symlink_to("/etc/victim")
            result = base.run("a3", file, *more, "--", "run")
            expect_refused_jailer(result, f"{more[0]}: write the process's id: File exists; the jail is in use, or was")
            shutil.rmtree(base.jail("a3", file))
        expect_equal(base.run("a3", file, "--daemonize", "--new-pid-ns", "--", "run").returncode, 0, "both")
        place = base.jail("a3", file) / f"root/{os.path.basename(file)}.pid"
        expect(int(place.read_text()) > 1, "not the host's number of it")


def is_in(task, uid):
    try:
        status = pathlib.Path(f"/proc/{task}/status").read_text()
        return f"Uid:\t{uid}\t" in status and "zombie" not in status
    except OSError:
        return False


@case()
def the_process_has_no_powers():
    with Base() as base:
        file = the_static_program()
        vm = base.start(
            "a1",
            file,
            "--resource-limit",
            "no-file=321",
            "--resource-limit",
            "fsize=1048576",
            "--",
            "run",
            "--",
            "quiet",
            "loop",
        )
        vm.stdout.read(5)
        status = pathlib.Path(f"/proc/{vm.pid}/status").read_text()
        for line in (
            f"Uid:\t{UID}\t{UID}\t{UID}\t{UID}",
            f"Gid:\t{GID}\t{GID}\t{GID}\t{GID}",
            "NoNewPrivs:\t1",
            *(f"Cap{name}:\t{'0' * 16}" for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")),
        ):
            expect(line in status, f"{line!r} is not in its status")
        limits = pathlib.Path(f"/proc/{vm.pid}/limits").read_text()
        expect(re.search(r"Max open files\s+321\s+321", limits), "the limit on files")
        expect(re.search(r"Max file size\s+1048576\s+1048576", limits), "the limit on a file's size")
        for name in ("mnt", "ipc", "uts", "net"):
            expect(
                os.readlink(f"/proc/{vm.pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"),
                f"it shares the caller's {name} namespace",
            )
        expect(pathlib.Path(f"/proc/{vm.pid}/environ").read_bytes() == b"", "its environment")
        vm.kill()
        vm.wait()


@case()
def a_network_namespace_is_joined():
    needs_root()
    if subprocess.run(["ip", "netns", "add", "mfjail"], capture_output=True, check=False).returncode != 0:
        raise Skipped("no network namespace can be made here")
    try:
        with Base() as base:
            file = the_static_program()
            vm = base.start("a1", file, "--netns", "/run/netns/mfjail", "--", "run", "--", "quiet", "loop")
            vm.stdout.read(5)
            expect_equal(os.stat(f"/proc/{vm.pid}/ns/net").st_ino, os.stat("/run/netns/mfjail").st_ino, "its namespace")
            vm.kill()
            vm.wait()
    finally:
        subprocess.run(["ip", "netns", "delete", "mfjail"], check=False)


def hierarchy(controller):
    """Where a controller's cgroups of version 1 are."""
    for line in mounts().splitlines():
        _, place, kind, options, *_ = line.split()
        if kind == "cgroup" and controller in options.split(",") and os.access(place, os.W_OK):
            return pathlib.Path(place)
    raise Skipped(f"no {controller} controller of cgroup version 1 here")


@case()
def limits_hold():
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        attack = build_attack(folder)
        pids, memory = hierarchy("pids"), hierarchy("memory")
        name, other = f"a{os.getpid()}", f"b{os.getpid()}"  # whatever an earlier run has left
        result = base.run(name, attack, "--cleanup", "--cgroup", "pids.max=20", "--", "forks")
        found = re.search(rb"forks: (\d+)", result.stdout)
        expect(found and 1 <= int(found[1]) < 20, f"a fork bomb came to {result}")
        expect(
            wait_for(lambda: not (pids / "attack" / name).exists() and not base.jail(name, attack).exists()),
            "the cgroup or the folder is left",
        )
        result = base.run(other, attack, "--cleanup", "--cgroup", "memory.limit_in_bytes=64M", "--", "memory")
        most = max([int(mib) for mib in re.findall(rb"memory: (\d+) MiB", result.stdout)], default=0)
        expect(result.returncode != 0 and most <= 64, f"a memory bomb came to {most} MiB, status {result.returncode}")
        expect(wait_for(lambda: not (memory / "attack" / other).exists()), "the memory cgroup is left")
        # A guest that uses all its RAM: its process ends, another VM does not notice.
        file = the_static_program()
        calm = base.start("calm", file, "--", "run", "--", "quiet", "loop")
        calm.stdout.read(5)
        greedy = base.run(
            other, file, "--cleanup", "--cgroup", "memory.limit_in_bytes=64M", "--", "run", "--", "quiet", "fill=120"
        )
        expect_equal(greedy.returncode, -signal.SIGKILL, "status of a guest that fills more than its cgroup may have")
        expect_equal(calm.poll(), None, "the other VM's status")
        calm.kill()
        calm.wait()


@case()
def a_cgroup_that_was_left_is_used_again():
    with Base() as base:
        file = the_static_program()
        name = f"a{os.getpid()}"
        cgroup = hierarchy("pids") / os.path.basename(file) / name
        cgroup.mkdir(parents=True)
        try:
            flags = ["--cgroup", "pids.max=50", "--", "run", "--", "quiet", "exit=7"]
            with subprocess.Popen(["sleep", "1000"]) as stranger:
                (cgroup / "cgroup.procs").write_text(str(stranger.pid))
                result = base.run(name, file, *flags)
                is_there = stranger.poll() is None
                stranger.kill()
            expect_jail_refused(base, result, "pids.max", "somebody is in it")
            expect(is_there, "who was in the cgroup has ended")
            for _ in range(2):
                result = base.run(name, file, *flags)
                expect_equal((result.returncode, result.stderr), (7, b""), "status in a cgroup that was there")
                expect_equal((cgroup / "pids.max").read_text(), "50\n", "its setting")
                shutil.rmtree(base.jail(name, file))
            result = base.run(name, file, "--cgroup", "pids.max=much", "--", "run")
            expect_jail_refused(base, result, "pids.max")
            expect(cgroup.exists(), "a jailer that failed removes what was there before")
        finally:
            cgroup.rmdir()


def unified_hierarchy():
    """Where cgroups of version 2 are."""
    for line in mounts().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2" and os.access(place, os.W_OK):
            return pathlib.Path(place)
    raise Skipped("no cgroups of version 2 here")


@case()
def a_cgroup_of_the_callers_own_is_joined_where_nothing_is_set():
    with Base() as base:
        file = the_static_program()
        name = f"a{os.getpid()}"
        parent = f"mayfly-{name}/own"
        cgroup = unified_hierarchy() / parent
        flags = ["--cgroup-version", "2", "--parent-cgroup", parent, "--cleanup", "--", "run", "--", "quiet", "loop"]
        for is_there in (False, True):
            if is_there:
                (cgroup / name).mkdir(parents=True)  # called as a jail's would be, and not one's
            vm = base.start(name, file, *flags)
            try:
                vm.stdout.read(5)
                of_vm = pathlib.Path(f"/proc/{vm.pid}/cgroup").read_text().splitlines()
                expect_equal(f"0::/{parent}" in of_vm, is_there, f"whether it is in {parent} ({of_vm})")
                vm.terminate()
                expect_equal(vm.wait(30), 128 + signal.SIGTERM, "status after SIGTERM")
                expect(wait_for(lambda: not base.jail(name, file).exists()), "the folder is left")
                expect_equal((cgroup / name).exists(), is_there, "whether the cgroup below is there")
            finally:
                vm.kill()
                vm.wait()
                for path in (cgroup / name, cgroup, cgroup.parent):
                    if path.exists():
                        path.rmdir()


@case()
def cleaned_up_however_it_ends():
    with Base() as base:
        file = the_static_program()
        pids = hierarchy("pids")
        name = f"a{os.getpid()}"
        parent = os.path.basename(file)
        for number in (signal.SIGKILL, signal.SIGTERM):
            vm = base.start(
                name,
                file,
                "--cleanup",
                "--cgroup",
                "pids.max=50",
                "--cgroup",
                "cpuset.cpus=0",
                "--",
                "run",
                "--",
                "quiet",
                "loop",
            )
            vm.stdout.read(5)
            expect(
                str(vm.pid) in (pids / parent / name / "cgroup.procs").read_text().split(), "it is not in its cgroup"
            )
            vm.send_signal(number)
            vm.wait()
            expect(
                wait_for(lambda: not base.jail(name, file).exists() and not (pids / parent / name).exists()),
                f"left behind after signal {number}",
            )


@case()
def many_at_once():
    with Base() as base, concurrent.futures.ThreadPoolExecutor(32) as pool:
        file = the_static_program()

        def one(number):
            return base.run(f"n{number}", file, "--cleanup", "--", "run", "--", "quiet", f"exit={number}")

        results = list(pool.map(one, range(100)))
        expect_equal(
            [result.returncode for result in results],
            list(range(100)),
            f"statuses ({[result.stderr for result in results if result.stderr]})",
        )
        folder = pathlib.Path(base.folder, os.path.basename(file))
        expect(wait_for(lambda: not os.listdir(folder)), f"left: {os.listdir(folder)}")


# --- mayfly run --jail --------------------------------------------------------------------------


@case()
def run_in_a_jail_is_as_without():
    needs_root()
    before = mounts()
    with tempfile.TemporaryDirectory() as folder:
        disk = scratch_file(folder, "disk", bytes(4096) * 16)
        os.chmod(folder, 0o700)
        trace = os.path.join(folder, "trace")
        result = mayfly("run", "--jail", "--disk", disk, "--trace", trace, "--", "quiet", "disk-write=16")
        expect_equal((result.returncode, result.stderr), (0, b""), "status")
        expect(pathlib.Path(disk).read_bytes() != bytes(4096) * 16, "the disk was not written")
        expect("first output" in pathlib.Path(trace).read_text(), "no trace")
        expect_equal(mayfly("run", "--jail=23456:23457", "--", "quiet", "sum=3", stdin=b"abc").returncode, 0, "input")
        expect_equal(mayfly("run", "--jail", "--", "crash").returncode, 126, "status of a crash")
        expect_refused(mayfly("run", "--jail", "--disk", os.path.join(folder, "absent")), "absent")
    for words in ("1", "1:", ":1", "a:b", "1:2:3", "4294967295:1"):
        expect_refused(mayfly("run", f"--jail={words}"), "--jail")
    expect_equal(mounts(), before, "mounts of the host")


@case()
def run_in_a_jail_gives_everything_up():
    needs_root()
    for flag, ids in (("--jail", None), (f"--jail={UID}:{GID}", (UID, GID))):
        descriptor = os.open("/etc/passwd", os.O_RDONLY)
        vm = subprocess.Popen(
            [program(), "run", flag, "--", "quiet", "loop"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            pass_fds=[descriptor],
            env={"SECRET": "mayfly-secret"},
        )
        os.close(descriptor)
        vm.stdout.read(5)
        pid = monitor_pid(vm.pid)
        expect(pid != vm.pid, "it has no keeper")
        opened = [os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")]
        expect(not any("passwd" in name for name in opened), f"the caller's descriptor is open: {opened}")
        environment = pathlib.Path(f"/proc/{pid}/environ").read_bytes()
        expect(b"secret" not in environment, f"its environment: {environment!r}")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        uid, gid = (int(re.search(rf"{name}:\t(\d+)", status)[1]) for name in ("Uid", "Gid"))
        expect((uid, gid) == ids if ids else uid >= 65534, f"its user is {uid}, its group {gid}")
        expect(f"CapEff:\t{'0' * 16}" in status and f"CapBnd:\t{'0' * 16}" in status, "it has capabilities")
        expect_equal(os.listdir(f"/proc/{pid}/root"), [], "files in its root")
        for name in ("mnt", "ipc", "uts", "net", "pid"):
            expect(
                os.readlink(f"/proc/{pid}/ns/{name}") != os.readlink(f"/proc/self/ns/{name}"),
                f"it shares the caller's {name} namespace",
            )
        vm.terminate()
        expect_equal(vm.wait(30), 128 + signal.SIGTERM, "status after SIGTERM")


@case()
def run_in_a_jail_with_a_network_card():
    """It has a network namespace of its own all the same: a TAP that is open works from there."""
    with Tap("jail") as tap:
        flags = ["--jail", "--net", f"tap={tap}"]
        result = mayfly("run", *flags, "--", "quiet", "send-frames=100")
        expect_equal((result.returncode, result.stderr), (0, b""), "status")
        frames = pathlib.Path(f"/sys/class/net/{tap}/statistics/rx_packets").read_text()
        expect(int(frames) >= 100, f"{frames} frames came out of it")
        with subprocess.Popen(
            [program(), "run", *flags, "--", "quiet", "loop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as vm:
            vm.stdout.read(5)
            inside = os.readlink(f"/proc/{monitor_pid(vm.pid)}/ns/net")
            vm.kill()
        expect(inside != os.readlink("/proc/self/ns/net"), "it shares the caller's network namespace")


@case()
def nobody_dumps_a_guest():
    """Neither a crash, nor another process of its user."""
    needs_root()
    if is_sanitized():
        raise Skipped("a sanitizer has memory of its own, which is in dumps")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = os.path.join(folder, "mayfly")
        shutil.copy(program(), copy)
        if subprocess.run(["test", "-w", "/dev/kvm"], preexec_fn=unprivileged, check=False).returncode != 0:
            raise Skipped("only root may open /dev/kvm here")
        with subprocess.Popen(
            [copy, "run", "--", "quiet", "loop"],
            preexec_fn=unprivileged,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        ) as vm:
            try:
                vm.stdout.read(5)
                limits = pathlib.Path(f"/proc/{vm.pid}/limits").read_text()
                expect(re.search(r"Max core file size +0 +0 ", limits), f"limits: {limits}")
                maps = pathlib.Path(f"/proc/{vm.pid}/smaps").read_text().split("VmFlags:")
                sizes = [int(re.findall(r"^Size: +(\d+) kB", one, re.M)[-1]) for one in maps[:-1]]
                in_dumps = [size for size, flags in zip(sizes, maps[1:]) if " dd" not in flags.splitlines()[0]]
                expect(sum(sizes) >= 128 << 10, f"no guest RAM: {sizes}")
                expect(sum(in_dumps) < 4 << 10, f"guest RAM or stacks are in dumps: {in_dumps} KiB")
                read = subprocess.run(
                    ["cat", f"/proc/{vm.pid}/maps"], preexec_fn=unprivileged, capture_output=True, check=False
                )
                expect(read.returncode != 0 and not read.stdout, f"its user read its memory's map: {read.stdout!r}")
            finally:
                vm.kill()


@case()
def a_configuration_file_in_a_jail_may_name_a_kernel():
    """KVM is asked for its CPUID when /dev/kvm is not there any more."""
    needs_root()
    with tempfile.TemporaryDirectory() as folder:
        configuration = {
            "boot-source": {"kernel_image_path": pvh_kernel(folder, b"\xb0\x2a"), "boot_args": ""},
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 16},
        }
        file = scratch_file(folder, "vm.json", json.dumps(configuration).encode())
        result = mayfly("--no-api", "--config-file", file, "--jail")
        expect_equal((result.returncode, result.stderr), (42, b""), "status and stderr")


@case()
def run_in_a_jail_without_root():
    needs_root()
    if is_sanitized():
        raise Skipped("a sanitizer's thread may be in the process already, and no user namespace takes two")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        copy = os.path.join(folder, "mayfly")
        shutil.copy(program(), copy)
        may_open = subprocess.run(["test", "-w", "/dev/kvm"], preexec_fn=unprivileged, check=False).returncode == 0
        if not may_open:
            raise Skipped("only root may open /dev/kvm here")
        result = subprocess.run(
            [copy, "run", "--jail", "--", "exit=9"],
            preexec_fn=unprivileged,
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
        )
        if b"user namespaces" in result.stderr:
            raise Skipped("no user namespaces here")
        expect_equal((result.returncode, result.stderr), (9, b""), "status without root")
