"""Drives and NICs with the embedded guest, which drives them by polling; and what is no drive or NIC."""
import ctypes
import fcntl
import os
import re
import socket
import struct
import subprocess
import tempfile
import time

from kit import Failed, Skipped, case, expect, expect_equal, expect_refused, mayfly, program, scratch_file
from unikernel import fnv1a

BLOCK = 4096


def disk(folder, blocks, name="disk"):
    return scratch_file(folder, name, os.urandom(BLOCK) * blocks)


class Tap:
    """A TAP of this host for the time of a case."""

    def __init__(self, name, *more):
        # At most 15 characters, and no other run's or case's.
        self.name, self.more = f"mf{os.getpid()}{name[-5:]}", more

    def __enter__(self):
        if os.geteuid() != 0 or not os.path.exists("/dev/net/tun"):
            raise Skipped("TAPs need root and /dev/net/tun")
        done = subprocess.run(
            ["ip", "tuntap", "add", self.name, "mode", "tap", *self.more], capture_output=True, check=False
        )
        if done.returncode != 0:
            raise Skipped(f"no TAP can be made here: {done.stderr.decode().strip()}")
        subprocess.run(["ip", "link", "set", self.name, "up"], check=True)
        return self.name

    def __exit__(self, *_):
        subprocess.run(["ip", "link", "delete", self.name], capture_output=True, check=False)


def expect_guest(result, status, pattern):
    expect_equal(result.returncode, status, f"status ({result.stderr!r} {result.stdout!r})")
    expect(re.search(pattern, result.stdout), f"{pattern!r} is not in {result.stdout!r}")


@case()
def a_guest_without_devices_says_so():
    expect_guest(mayfly("run", "--", "quiet", "disk-reads=1"), 3, rb"no disk")
    expect_guest(mayfly("run", "--", "quiet", "send-frames=1"), 3, rb"no network device")


@case()
def reads_what_is_in_the_file():
    with tempfile.TemporaryDirectory() as folder:
        content = b"".join(bytes([number]) * BLOCK for number in range(64))
        path = scratch_file(folder, "disk", content)
        for flags in ("", ",ro"):
            result = mayfly("run", "--disk", path + flags, "--", "quiet", "disk-sum=64", "disk-depth=8")
            expect_guest(result, 0, b"disk-sum: 262144 bytes, FNV-1a (0x)?" + fnv1a(content).encode())
            expect_equal(result.stderr, b"", "stderr")


@case()
def reads_at_depth_without_a_failure():
    with tempfile.TemporaryDirectory() as folder:
        for depth in (1, 32, 128):
            result = mayfly(
                "run", "--disk", disk(folder, 1024), "--", "quiet", "disk-reads=20000", f"disk-depth={depth}"
            )
            expect_guest(result, 0, rb"disk-reads: 20000 of 4096 bytes at depth %d in \d+ (us|ticks)\n" % depth)


@case()
def writes_arrive_in_the_file():
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder, 64)
        for cache in ("writeback", "unsafe"):
            result = mayfly("run", "--disk", f"{path},cache={cache}", "--", "quiet", "disk-write=64")
            expect_guest(result, 0, rb"disk-write: 64 blocks of 4096 bytes, 0 failed")
        with open(path, "rb") as file:
            for number in range(64):
                wanted = struct.pack("<Q", number) * (BLOCK // 8)
                expect(file.read(BLOCK) == wanted, f"block {number} is another")


@case()
def read_only_disks_refuse_writes():
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder, 8)
        with open(path, "rb") as file:
            before = file.read()
        expect_guest(mayfly("run", "--disk", f"{path},ro", "--", "quiet", "disk-write=8"), 0, rb"8 failed")
        with open(path, "rb") as file:
            expect(file.read() == before, "the file has changed")


@case()
def who_may_only_read_a_disk_stops_no_start():
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder, 8)
        os.chmod(path, 0o644)
        with open(path, "rb") as reader:
            fcntl.flock(reader, fcntl.LOCK_EX)
            # struct flock: all of the file, however long it becomes
            fcntl.fcntl(reader, fcntl.F_OFD_SETLK, struct.pack("hhxxxxqqixxxx", fcntl.F_RDLCK, os.SEEK_SET, 0, 0, 0))
            for flags, words in ((",ro", ["disk-sum=8"]), ("", ["disk-write=8"])):
                result = mayfly("run", "--disk", path + flags, "--", "quiet", *words)
                expect_equal(result.returncode, 0, f"status with {flags!r} ({result.stderr!r})")
                warns = b"another process reads this disk" in result.stderr
                expect_equal(warns, flags == "", f"whether it warns with {flags!r} ({result.stderr!r})")


@case()
def a_disk_in_a_container_is_warned_of():
    """And no more: the guest may have written these bytes itself."""
    with tempfile.TemporaryDirectory() as folder:
        path = scratch_file(folder, "disk", b"QFI\xfb\0\0\0\3" + bytes(8 * BLOCK - 8))
        result = mayfly("run", "--disk", path, "--", "quiet", "disk-sum=8")
        expect_guest(result, 0, rb"disk-sum: \d+ bytes")
        wanted = f"mayfly: {path}: looks like a qcow image; make a raw one: qemu-img convert -O raw IMAGE DISK\n"
        expect_equal(result.stderr.decode(), wanted, "stderr")


@case()
def a_journal_that_cannot_be_replayed_is_warned_of():
    """Of a VM that was killed: as the guest's kernel will not mount it, people hear what to do."""
    with tempfile.TemporaryDirectory() as folder:
        superblock = bytearray(BLOCK)
        superblock[0x38:0x3A], superblock[0x60] = b"\x53\xef", 0x46  # ext4; its journal needs recovery
        path = scratch_file(folder, "disk", (bytes(1024) + superblock).ljust(8 * BLOCK, b"\0"))
        for flags, words in ((",ro", "run it once with --rw, or e2fsck -p it"), ("", "")):
            result = mayfly("run", "--disk", path + flags, "--", "quiet", "disk-sum=8")
            expect_guest(result, 0, rb"disk-sum: \d+ bytes")
            lines = result.stderr.decode()
            expect_equal((path in lines, words in lines), (bool(words), True), f"stderr with {flags!r} ({lines})")


@case()
def two_that_write_to_one_disk_are_one():
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder, 8)
        os.chmod(path, 0o644)
        with open(path, "rb") as reader:  # of good will
            fcntl.fcntl(reader, fcntl.F_OFD_SETLK, struct.pack("hhxxxxqqixxxx", fcntl.F_RDLCK, os.SEEK_SET, 201, 1, 0))
            with subprocess.Popen(
                [program(), "run", "--disk", path, "--", "quiet", "loop"],
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            ) as writer:
                expect(writer.stdout.read(5), "the first one does not run")
                for flags in ("", ",ro"):
                    expect_refused(mayfly("run", "--disk", path + flags), path, "in use by another process")
                writer.kill()


def forbid_io_uring():
    """In the child: a filter under which io_uring_setup(2) (425) fails with EPERM."""
    code = [(0x20, 0, 0, 0), (0x15, 0, 1, 425), (0x06, 0, 0, 0x00050001), (0x06, 0, 0, 0x7FFF0000)]
    filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in code))
    program_of_filter = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(filters))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(38, 1, 0, 0, 0) != 0 or libc.prctl(22, 2, ctypes.c_char_p(program_of_filter), 0, 0) != 0:
        os._exit(99)


@case()
def without_io_uring_it_says_so_and_works():
    with tempfile.TemporaryDirectory() as folder:
        content = os.urandom(BLOCK * 16)
        path = scratch_file(folder, "disk", content)
        result = mayfly("run", "--disk", path, "--", "quiet", "disk-sum=16", preexec_fn=forbid_io_uring)
        expect_guest(result, 0, b"FNV-1a (0x)?" + fnv1a(content).encode())
        expect(b"io_uring" in result.stderr and b"plain" in result.stderr, f"stderr: {result.stderr!r}")


@case()
def as_many_devices_as_interrupts():
    with tempfile.TemporaryDirectory() as folder:
        flags = [word for number in range(19) for word in ("--disk", disk(folder, 1, f"d{number}"))]
        expect_guest(mayfly("run", *flags, "--", "quiet", "disk-sum=1"), 0, rb"disk-sum: 4096 bytes")
        expect_refused(mayfly("run", *flags, "--disk", disk(folder, 1, "d19")), "--disk", "19")


@case()
def frames_leave_by_the_tap():
    with Tap("nat0") as tap:
        counter = f"/sys/class/net/{tap}/statistics/rx_packets"
        for size in (64, 1500):
            before = int(open(counter, encoding="ascii").read())
            result = mayfly("run", "--net", f"tap={tap}", "--", "quiet", "send-frames=5000", f"frame-bytes={size}")
            expect_guest(result, 0, rb"send-frames: 5000 of %d bytes" % size)
            expect_equal(int(open(counter, encoding="ascii").read()) - before, 5000, "frames that arrived")


@case()
def frames_come_in_by_the_tap():
    with Tap("nat1") as tap, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host:
        host.bind((tap, 0))
        frame = b"\xff" * 6 + bytes.fromhex("02000000000188b5") + bytes(50)
        guest = subprocess.Popen(
            [program(), "run", "--net", f"tap={tap}", "--", "quiet", "receive-frames=500"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            give_up = time.monotonic() + 60
            while guest.poll() is None and time.monotonic() < give_up:
                try:
                    host.send(frame)
                except OSError:  # the queue is full, or the guest is not there yet
                    time.sleep(0.001)
            if guest.poll() is None:
                raise Failed("500 frames have not arrived in a minute of sending")
            expect_equal(guest.returncode, 0, f"status ({guest.stderr.read()!r})")
            expect(b"receive-frames: 500," in guest.stdout.read(), "the guest's report")
        finally:
            guest.kill()
            guest.wait()


@case()
def a_tap_is_inherited():
    with Tap("nat2") as tap:
        descriptor = os.open("/dev/net/tun", os.O_RDWR)
        tap_no_pi_vnet_header = 0x0002 | 0x1000 | 0x4000
        fcntl.ioctl(descriptor, 0x400454CA, struct.pack("16sH22x", tap.encode(), tap_no_pi_vnet_header))
        result = mayfly("run", "--net", f"fd={descriptor}", "--", "quiet", "send-frames=100", pass_fds=[descriptor])
        os.close(descriptor)
        expect_guest(result, 0, rb"send-frames: 100")


@case()
def a_disk_is_used_by_one():
    with tempfile.TemporaryDirectory() as folder:
        path = disk(folder, 8)
        with subprocess.Popen(
            [program(), "run", "--disk", path, "--", "loop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as first:
            first.stdout.readline()
            expect_refused(mayfly("run", "--disk", path), path, "--disk", "in use")
            expect_refused(mayfly("run", "--disk", f"{path},ro"), path, "in use")
            first.kill()
        # At once: what a killed VM had is free a moment later, and that is waited for.
        expect_guest(mayfly("run", "--disk", path, "--", "quiet", "disk-sum=1"), 0, rb"disk-sum: 4096")
        expect_refused(mayfly("run", "--disk", path, "--disk", path), path, "another drive")


@case()
def disks_that_are_none():
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        for path, *words in (
            (f"{folder}/absent", "No such file", "truncate"),
            (folder, "directory", "name a file"),
            (fifo, "neither a file nor a block device"),
            ("/dev/null", "neither"),
            (disk(folder, 1) + ",id=", "id="),
            (disk(folder, 1) + ",cache=none", "cache="),
            (disk(folder, 1) + ",rw", "takes PATH"),
            ("", "needs a file"),
        ):
            expect_refused(mayfly("run", "--disk", path), "--disk", *words)
        expect_refused(
            mayfly("run", "--disk", f"{disk(folder, 1, 'a')},id=x", "--disk", f"{disk(folder, 1, 'b')},id=x"),
            "x",
            "twice",
        )
        ids = ("a-name-of-over-twenty-bytes", "a-name-of-over-twenty-letters")
        alike = [word for id in ids for word in ("--disk", f"{disk(folder, 1, id)},id={id}")]
        expect_refused(mayfly("run", *alike), *ids, "the same 20 bytes")


@case()
def odd_sizes_and_long_ids_are_warned_of():
    """The guest has whole sectors, the first 20 bytes of an id, and 0 sectors of an empty file."""
    with tempfile.TemporaryDirectory() as folder:
        odd = scratch_file(folder, "odd", bytes(BLOCK) + b"x" * 1000)
        for path, words, warning in (
            (odd, rb"disk-sum: 4096 bytes", f"{odd}: the guest does not see the last 488 bytes"),
            (scratch_file(folder, "empty", b""), rb"less than a block", "empty: holds no sector"),
            (disk(folder, 1) + ",id=a-name-of-over-twenty-bytes", rb"4096", "reads only the first 20 bytes of its id"),
        ):
            result = mayfly("run", "--disk", path, "--", "quiet", "disk-sum=1")
            expect(re.search(words, result.stdout), f"{words!r} is not in {result.stdout!r}")
            lines = result.stderr.decode().splitlines()
            expect(len(lines) == 1 and warning in lines[0], f"not the warning: {lines}")


@case()
def files_that_may_not_be_written():
    if os.geteuid() != 0:
        raise Skipped("becoming another user needs root")
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        path = disk(folder, 8)
        os.chmod(path, 0o444)
        kvm = os.stat("/dev/kvm")
        as_nobody = {"user": 65534, "group": kvm.st_gid, "extra_groups": []}
        expect_refused(mayfly("run", "--disk", path, **as_nobody), path, "Permission denied", ",ro")
        expect_guest(
            mayfly("run", "--disk", f"{path},ro", "--", "quiet", "disk-sum=1", **as_nobody), 0, rb"disk-sum: 4096"
        )


@case()
def nics_that_are_none():
    for value, *words in (
        ("tap=mfnone", "does not exist", "ip tuntap"),
        ("tap=lo", "TAP"),
        ("fd=99", "not open"),
        ("fd=0", "no TAP"),
        ("mac=02:00:00:00:00:01", "tap=NAME"),
        ("tap=x,mac=1", "MAC"),
        ("tap=x,mac=01:00:00:00:00:01", "group"),
        ("tap=x,mtu=67", "--net"),
        ("tap=x,mtu=70000", "--net"),
        ("tap=x,fd=3", "one of"),
        ("tap=a-name-that-is-too-long", "15"),
        ("tap=x,what=1", "takes"),
    ):
        expect_refused(mayfly("run", "--net", value), "--net", *words)
    with Tap("nat3", "multi_queue") as tap:
        expect_refused(mayfly("run", "--net", f"tap={tap}"), tap, "single-queue")
    with Tap("nat4") as tap:
        with subprocess.Popen(
            [program(), "run", "--net", f"tap={tap}", "--", "loop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
        ) as first:
            first.stdout.readline()
            expect_refused(mayfly("run", "--net", f"tap={tap}"), tap, "in use")
            first.kill()
