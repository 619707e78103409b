"""Wrong flags, files and machines: one line that says what and what to do, status 125, nothing left behind."""
import ctypes
import os
import pathlib
import signal
import struct
import subprocess
import tempfile

from kit import Skipped, case, expect, expect_equal, expect_refused, mayfly, program, scratch_file


@case(needs_kvm=False)
def help_and_version_go_to_stdout():
    for arguments in (["--help"], ["run", "--help"]):
        result = mayfly(*arguments)
        expect_equal(result.returncode, 0, "status")
        expect(b"usage: mayfly run" in result.stdout, "no usage on stdout")
        expect_equal(result.stderr, b"", "stderr")
    expect(mayfly("--version").stdout.startswith(b"mayfly "), "no version")
    with open("/dev/full", "wb") as full:
        expect_equal(
            subprocess.run([program(), "--help"], stdout=full, check=False).returncode, 125, "status on a full disk"
        )


@case(needs_kvm=False)
def help_and_version_are_alike_everywhere():
    def page(*arguments):
        result = mayfly(*arguments)
        expect_equal((result.returncode, result.stderr), (0, b""), f"status and stderr of {arguments}")
        return result.stdout

    for command, first in ((["run"], "help run"), (["api"], "help api"), ([], "help")):
        wanted = page(*first.split())
        for word in ("help", "--help", "-h"):
            expect_equal(page(*command, word), wanted, f"{command} {word}")
        for word in ("version", "--version", "-V"):
            expect_equal(page(*command, word), page("--version"), f"{command} {word}")
    expect_equal(page("run", "--memory", "64M", "-h"), page("help", "run"), "help behind another flag")
    expect_equal(page("--api-sock", "/absent/socket", "--help"), page("help", "api"), "help behind Firecracker's flags")
    expect_equal(page("--id", "x", "-V"), page("--version"), "the version behind Firecracker's flags")
    for subject in ("image", "disk", "net", "status"):
        expect(len(page("help", subject)) > 200, f"no page about {subject}")
    expect_refused(mayfly("help", "disks"), "disks", "unknown subject", "mayfly help")


@case(needs_kvm=False)
def an_image_that_is_none_is_spoken_of_as_one():
    with tempfile.TemporaryDirectory() as folder:
        init = pathlib.Path(program()).parents[1] / "lib/mayfly/init"
        if not init.exists():
            raise Skipped("no guest's init was built beside this program")
        run = ("run", "--kernel", program(), "--image")
        expect_refused(mayfly(*run, f"{folder}/absent"), "absent: --image: No such file", "mayfly-image")
        expect_refused(mayfly(*run, folder), "--image: Is a directory", "mayfly-image FOLDER")


@case(needs_kvm=False)
def commands():
    expect_refused(mayfly(), "mayfly --help")
    expect_refused(mayfly("ruin"), "ruin", "unknown command")


@case(needs_kvm=False)
def flags():
    expect_refused(mayfly("run", "--kernle", "x"), "--kernle", "unknown flag", "nearest is: --kernel")
    expect_refused(mayfly("run", "--nonsense"), "--nonsense", "unknown flag", "--help")
    expect_refused(mayfly("run", "--memory", "64M", "--memory", "64M"), "--memory", "twice")
    expect_refused(mayfly("run", "--memory"), "--memory", "needs a value")
    expect_refused(mayfly("run", "vmlinux"), "vmlinux", "not expected")
    expect_refused(mayfly("run", "--boot-timer=1"), "--boot-timer", "takes no value")
    expect_refused(mayfly("run", "--kernel="), "--kernel", "needs a file's name")


@case(needs_kvm=False)
def sizes_and_counts():
    for memory in ("", "128", "-1M", "1.5G", "99999999999999999999G", "17179869184G", "0M", "1M", "2000G", "2049K"):
        expect_refused(mayfly("run", f"--memory={memory}"), "--memory")
    for vcpus in ("0", "33", "-1", "two", "", "4294967297", "99999999999999999999"):
        expect_refused(mayfly("run", f"--vcpus={vcpus}"), "--vcpus")
    expect_refused(mayfly("run", "--cmdline", "x" * 2048), "--cmdline", "2047")


@case()
def kernels_that_are_no_files():
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        expect_refused(mayfly("run", "--kernel", os.path.join(folder, "absent")), "absent", "No such file")
        expect_refused(mayfly("run", "--kernel", folder), folder, "name a file")
        expect_refused(mayfly("run", "--kernel", fifo), "fifo", "not a regular file")
        expect_refused(mayfly("run", "--kernel", "/dev/null"), "/dev/null", "not a regular file")
        expect_refused(mayfly("run", "--kernel", scratch_file(folder, "empty", b"")), "empty")
        expect_refused(
            mayfly("run", "--kernel", scratch_file(folder, "text", b"hello\n" * 200)),
            "text",
            "neither an ELF nor a bzImage",
        )
        good = kernel_of(folder)
        expect_refused(mayfly("run", "--kernel", good, "--initrd", os.path.join(folder, "absent")), "absent")
        expect_refused(mayfly("run", "--kernel", good, "--initrd", folder), "name a file")
        expect_equal(mayfly("run", "--kernel", good, "--", "exit=5").returncode, 5, "the good kernel's status")


def kernel_of(folder):
    """The embedded unikernel as a file of its own, cut out of the program by its ELF headers."""
    image = pathlib.Path(program()).read_bytes()
    note = image.find(b"Mayfly\0\0", 4)
    while note >= 0:
        start = image.rfind(b"\x7fELF\x02\x01\x01", 0, note)
        if start > 0 and struct.unpack_from("<I", image, note - 4)[0] == 0x4D460064:
            end = image.find(b"\x7fELF", start + 4)
            return scratch_file(folder, "unikernel", image[start : end if end > 0 else start + 16384])
        note = image.find(b"Mayfly\0\0", note + 1)
    raise AssertionError("no unikernel in the program")


@case()
def damaged_kernels_are_refused_by_field():
    with tempfile.TemporaryDirectory() as folder:
        image = bytearray(pathlib.Path(kernel_of(folder)).read_bytes())
        damages = {
            "e_machine": (18, struct.pack("<H", 40)),
            "e_phnum": (56, struct.pack("<H", 0xFFFF)),
            "e_phoff": (32, struct.pack("<Q", 1 << 60)),
        }
        for field, (offset, value) in damages.items():
            damaged = bytes(image[:offset]) + value + bytes(image[offset + len(value) :])
            path = scratch_file(folder, f"bad-{field}", damaged)
            expect_refused(mayfly("run", "--kernel", path), f"bad-{field}", field)
        for size in (1, 63, 64, 200):
            path = scratch_file(folder, f"cut-{size}", bytes(image[:size]))
            expect_refused(mayfly("run", "--kernel", path), f"cut-{size}")


@case()
def a_trace_that_cannot_be_written():
    expect_refused(mayfly("run", "--trace", "/absent/trace"), "--trace", "/absent/trace")
    result = mayfly("run", "--trace", "/dev/full", "--", "silent")
    expect_equal(result.returncode, 125, "status on a full disk")
    expect(b"No space left" in result.stderr, f"a full disk is not named: {result.stderr!r}")


@case(needs_kvm=False)
def no_dev_kvm():
    # An empty tmpfs over /dev, in a mount namespace of its own.
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /dev && exec "$0" run', program()]
    result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    expect_refused(result, "/dev/kvm", "No such file", "enable virtualization")


@case(needs_kvm=False)
def no_permission_on_dev_kvm():
    command = [
        "setpriv",
        "--reuid=65534",
        "--regid=65534",
        "--clear-groups",
        "sh",
        "-c",
        '[ -r /dev/kvm ] && exit 77; exec "$0" run',
        program(),
    ]
    with tempfile.TemporaryDirectory() as folder:
        # The build folder may be closed to other users: run a copy.
        copy = scratch_file(folder, "mayfly", pathlib.Path(program()).read_bytes())
        os.chmod(folder, 0o755)
        os.chmod(copy, 0o755)
        command[-1] = copy
        result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    if result.returncode == 77:
        raise Skipped("every user may open /dev/kvm here")
    if not os.path.exists("/dev/kvm"):
        expect_refused(result, "/dev/kvm")
    else:
        expect_refused(result, "/dev/kvm", "Permission denied", "group kvm")


@case()
def a_dev_kvm_that_its_mode_would_allow():
    """A mount with nodev, as a jail's folder may be on; and Landlock, as a sandbox around the monitor may have it."""
    if os.geteuid() != 0:
        raise Skipped("a device node is made: that takes root")
    script = "mount -t tmpfs -o nodev none /mnt && mknod -m 666 /mnt/kvm c 10 232 && mount --bind /mnt/kvm /dev/kvm"
    for end, words in (("run", ("/dev/kvm", "Permission denied", "nodev")), ("doctor", ())):
        command = ["unshare", "--mount", "sh", "-c", f'{script} && exec "$0" {end}', program()]
        result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
        if words:
            expect_refused(result, *words)
        else:
            expect(b"option nodev" in result.stdout and b"usermod" not in result.stdout, f"doctor: {result.stdout!r}")
    result = mayfly("run", preexec_fn=allow_no_writing)
    if result.returncode == 99:
        raise Skipped("this kernel has no Landlock")
    expect_refused(result, "/dev/kvm", "Permission denied", "Landlock")


def allow_no_writing():
    """In the child: a Landlock ruleset that allows nothing to be opened for writing."""
    write_file = struct.pack("Q", 1 << 1)
    libc = ctypes.CDLL(None, use_errno=True)
    ruleset = libc.syscall(444, write_file, len(write_file), 0)  # landlock_create_ruleset
    if ruleset < 0 or libc.prctl(38, 1, 0, 0, 0) != 0 or libc.syscall(446, ruleset, 0) != 0:  # landlock_restrict_self
        os._exit(99)


@case()
def limits_of_the_process():
    """A process that may not map the guest's memory, or have enough descriptors, says so."""
    limited = ["prlimit", "--as=67108864", program()]
    if subprocess.run([*limited, "--version"], capture_output=True, check=False).returncode != 0:
        raise Skipped("this build itself needs more address space (a sanitizer's)")
    limited.append("run")
    result = subprocess.run(limited, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    expect_refused(result, "mmap", "emory")  # as the C library says ENOMEM
    limited = ["prlimit", "--nofile=6", program(), "run"]
    result = subprocess.run(limited, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    expect_refused(result, "descriptors")  # whoever wants the one too many


@case()
def a_limit_on_threads_ends_it_in_time():
    """Also where the thread is one that KVM makes for itself, when the guest already runs."""
    if os.geteuid() != 0:
        raise Skipped("another user's process is limited: that takes root")
    with tempfile.TemporaryDirectory() as folder:
        copy = scratch_file(folder, "mayfly", pathlib.Path(program()).read_bytes())
        os.chmod(folder, 0o755)
        os.chmod(copy, 0o755)
        group = os.stat("/dev/kvm").st_gid
        user = ["setpriv", "--reuid=23457", f"--regid={group}", "--clear-groups"]
        for threads in (1, 2, 3, 4) * 4:
            command = [*user, "prlimit", f"--nproc={threads}", copy, "run", "--timeout", "10s", "--", "quiet"]
            result = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL, timeout=60)
            if result.returncode == 0:
                continue
            expect(result.returncode in (125, 126), f"status with {threads} threads: {result}")
            expect(b"limit on" in result.stderr or b"/dev/kvm" in result.stderr, f"line: {result.stderr!r}")


@case()
def signals_that_its_starter_has_blocked():
    """The kick that takes a vCPU out of the guest among them."""
    for words in (["--vcpus", "2"], ["--jail"], []):
        result = mayfly(
            "run",
            *words,
            "--timeout",
            "500ms",
            "--",
            "silent",
            "loop",
            preexec_fn=lambda: signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGRTMAX]),
        )
        expect_equal(result.returncode, 124, f"status with {words} ({result.stderr!r})")
