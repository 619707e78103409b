"""Programs in images as function calls: our kernel, our init and the channel, in images made of Debian's packages."""

import hashlib
import json
import os
import signal
import subprocess
import tempfile
import time

from checks import check
from kit import Failed, case
from disk_cases import disk_path, file_hash, sh

CALL_SECONDS = 100  # generous: what is slow here is the emulator
MIB = 1 << 20


class Call:
    """A mayfly run --image under way."""

    def __init__(self, t, image, *command, flags=(), **streams):
        t.needs_mayfly("images")
        line = [t.monitor, "run", "--image", t.image(image), *flags, *(["--", *command] if command else [])]
        self.process = subprocess.Popen(
            line, **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        )

    def expect_output(self, text):
        """Reads stdout up to the line `text`."""
        line = self.process.stdout.readline()
        if line != text:
            self.process.kill()
            raise Failed(f"stdout is {line} instead of {text}; stderr: {self.process.stderr.read()}")


def call(t, image, *command, stdin=b"", flags=(), seconds=CALL_SECONDS):
    """Runs it to its end: (status, stdout, stderr)."""
    started = Call(t, image, *command, flags=flags, stdin=subprocess.PIPE).process
    try:
        output, errors = started.communicate(stdin, timeout=seconds)
    except subprocess.TimeoutExpired:
        started.kill()
        raise Failed(f"{command} did not end: {started.communicate()}") from None
    return started.returncode, output, errors


@case(when="quick")
def image_call(t):
    """Streams apart, output without a newline, a status."""
    check(
        "the call",
        call(t, "busybox", "sh", "-c", "cat; echo err >&2; exit 42", stdin=b"in\0\xff without newline"),
        (42, b"in\0\xff without newline", b"err\n"),
    )


@case()
def image_statuses(t):
    for status in (0, 1, 2, 100, 124, 125, 126, 127, 128, 254, 255):
        check(f"status {status}", call(t, "busybox", "sh", "-c", f"exit {status}"), (status, b"", b""))


@case()
def image_death_by_signal(t):
    for number in (signal.SIGKILL, signal.SIGSEGV, signal.SIGTERM):
        check(f"a death by {number}", call(t, "busybox", "sh", "-c", f"kill -{number} $$"), (128 + number, b"", b""))


@case()
def image_megabytes(t):
    """10 MB through stdin, and through stdin and stdout."""
    sent = os.urandom(10 * MIB)
    digest = hashlib.md5(sent).hexdigest()
    check("what was read", call(t, "busybox", "md5sum", stdin=sent), (0, f"{digest}  -\n".encode(), b""))
    status, output, errors = call(t, "busybox", "cat", stdin=sent)
    check("what came back", (status, hashlib.md5(output).hexdigest(), errors), (0, digest, b""))


@case()
def image_reader_stands_still(t):
    """A pipe that is full for a while costs nothing but time; stderr goes on meanwhile."""
    started = Call(
        t, "busybox", "sh", "-c", "(sleep 1; echo late >&2) & dd if=/dev/zero bs=64k count=64 2>/dev/null; wait"
    ).process
    check("stderr", started.stderr.readline(), b"late\n")
    output, _ = started.communicate(timeout=CALL_SECONDS)
    check("bytes and status", (len(output), started.returncode), (64 << 16, 0))


@case()
def image_reader_goes_away(t):
    """Of a program that writes for ever, as yes(1): SIGPIPE ends it, as beside a local pipe, and nothing is said."""
    started = Call(t, "busybox", "yes").process
    check("the first line", started.stdout.readline(), b"y\n")
    started.stdout.close()
    started.wait(CALL_SECONDS)
    check("status and stderr", (started.returncode, started.stderr.read()), (141, b""))
    # Who does not mind SIGPIPE sees EPIPE, and ends as it likes. A full disk is no success of anybody's.
    with open("/dev/full", "wb") as full:
        for script, status in (("trap '' PIPE; while echo y; do :; done 2>/dev/null; exit 7", 7), ("echo y", 125)):
            started = Call(t, "busybox", "sh", "-c", script, stdout=full).process
            started.wait(CALL_SECONDS)
            said = started.stderr.read()
            check(f"status of {script}", started.returncode, status)
            check(f"{script}: the reason is said", b"No space left on device" in said, True)


@case()
def image_no_such_program(t):
    for command, status, words in (
        (("nothere",), 127, b"nothere: no such program in the PATH of the image"),
        (("/nothere",), 127, b"/nothere: No such file"),
        (("/etc/passwd",), 126, b"/etc/passwd: Permission denied"),
        (("/etc",), 126, b"/etc: "),
        (("plain",), 126, b"plain: is not executable"),
    ):
        found = call(t, "busybox", *command)
        check(f"{command}", (found[0], found[1], found[2].startswith(b"mayfly: " + words)), (status, b"", True))


@case()
def image_surroundings(t):
    """User, groups, home, environment, folder, host name; what is mounted; arguments of every byte."""
    every_byte = bytes(range(1, 256))
    status, output, errors = call(
        t,
        "busybox",
        "sh",
        "-c",
        'id; pwd; echo "$A|$HOME|$PATH"; hostname; printf %s "$1"',
        "sh",
        os.fsdecode(every_byte),
        flags=("--user", "bob", "--workdir", "/etc", "--env", 'A=b "c"\n', "--hostname", "web-1"),
    )
    check("status", (status, errors), (0, b""))
    wanted = (
        b'uid=1000(bob) gid=1000(bob) groups=50(staff)\n/etc\nb "c"\n|/home/bob|'
        b"/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nweb-1\n"
    ) + every_byte
    check("output", output, wanted)
    for flags, words in (
        (("--user", "nobodyhere"), b"/etc/passwd has no such user"),
        (("--user", "bob:nogroup"), b"/etc/group has no such group"),
    ):
        status, _, errors = call(t, "busybox", "true", flags=flags)
        check(f"{flags}", (status, words in errors), (126, True))


@case()
def image_as_of_a_container_engine(t):
    """One by one, what docs/images.md promises; an ordinary user's, with a folder that the image lacks."""
    script = """
        pwd; hostname; cat /etc/hostname; echo $(cat /etc/hosts)
        echo seen >/dev/stdout; echo said >/dev/stderr; readlink /dev/fd
        cat /proc/sys/net/ipv4/ip_unprivileged_port_start; echo $(cat /proc/sys/net/ipv4/ping_group_range)
        ulimit -n; ulimit -Hn; ulimit -c
        for at in /dev/shm /dev/mqueue /dev/pts /sys /run; do grep -c " $at " /proc/mounts || true; done"""
    status, output, errors = call(
        t,
        "busybox",
        "sh",
        "-c",
        script,
        flags=("--user", "bob", "--workdir", "/made/for it", "--hostname", "web.example"),
    )
    lines = output.decode().splitlines()
    check("status and stderr", (status, errors), (0, b"said\n"))
    check("folder and names", lines[:3], ["/made/for it", "web.example", "web.example"])
    check("hosts", lines[3].startswith("127.0.0.1 localhost "), True)
    check("hosts has the machine", lines[3].endswith(" 127.0.1.1 web.example web"), True)
    check("streams", lines[4:6], ["seen", "/proc/self/fd"])
    check("settings of the network", lines[6:8], ["0", "0 2147483647"])
    check("limits", lines[8:11], ["1024", "1048576", "0"])
    check("file systems; /run is the image's", lines[11:], ["1", "1", "1", "1", "0"])


@case()
def image_link_that_leads_nowhere(t):
    """As resolv.conf of images that count on systemd: the file that it names is made. Root may take it away."""
    script = "readlink /etc/hosts; head -1 /etc/hosts; umount /etc/hosts && rm /etc/hosts && ls /etc"
    wanted = b"../run/resolver/hosts\n127.0.0.1\tlocalhost\ngroup\nhostname\npasswd\n"
    check("the call", call(t, "busybox", "sh", "-c", script), (0, wanted, b""))


@case()
def image_system(t):
    """A clock that is right, randomness, process 1, reaped orphans, terminals and shared memory."""
    started = time.time()
    status, output, errors = call(
        t,
        "busybox",
        "sh",
        "-c",
        """
        date +%s; cat /proc/sys/kernel/random/entropy_avail; cat /proc/1/comm
        (sh -c 'sleep 0.2 & echo $! >/tmp/orphan'); sleep 1; [ -e /proc/$(cat /tmp/orphan) ] && echo not reaped
        ls -d /dev/pts/ptmx /dev/shm /dev/fd/0 /sys/class; cat /proc/mounts | grep -c ' / overlay rw'; echo x > /run/y && cat /run/y""",
    )
    lines = output.decode().split("\n")
    check("status", (status, errors), (0, b""))
    check("the clock is right", abs(int(lines[0]) - started) < 60, True)
    check("entropy", int(lines[1]) >= 256, True)
    check("the rest", lines[2:], ["init", "/dev/fd/0", "/dev/pts/ptmx", "/dev/shm", "/sys/class", "1", "x", ""])


@case()
def image_daemon(t):
    """What goes on in the background does not keep the call."""
    began = time.monotonic()
    check("the call", call(t, "busybox", "sh", "-c", "sleep 1000 & echo started"), (0, b"started\n", b""))
    check("it ended soon", time.monotonic() - began < 60, True)


@case()
def image_read_only_root(t):
    """Writes go to memory: the image is as it was, also while two guests have it."""
    before = file_hash(t.image("busybox"))
    first = Call(t, "busybox", "sh", "-c", "echo x > /etc/new; rm /etc/passwd; echo ready; cat", stdin=subprocess.PIPE)
    first.expect_output(b"ready\n")
    check("the other guest", call(t, "busybox", "ls", "/etc"), (0, b"group\nhostname\nhosts\npasswd\n", b""))
    first.process.communicate(b"")
    check("the image", file_hash(t.image("busybox")), before)


@case()
def image_read_write(t):
    """--rw keeps what was written, on a file system that needs no repair; a full disk is the program's to see."""
    path = disk_path(t, "rw.ext4")
    sh("cp", "--sparse=always", t.image("ext4"), path)
    script = "echo kept > /kept; (while :; do echo x >> /busy; done) & sleep 0.5"
    check("writing", call(t, path, "sh", "-c", script, flags=("--rw",)), (0, b"", b""))
    sh("/usr/sbin/e2fsck", "-fn", path)
    check("reading", call(t, path, "cat", "/kept"), (0, b"kept\n", b""))
    status, _, errors = call(t, path, "dd", "if=/dev/zero", "of=/large", "bs=1M", flags=("--rw",))
    check("a full disk", (status, b"No space left" in errors), (1, True))
    sh("/usr/sbin/e2fsck", "-fn", path)


@case()
def image_whose_vm_was_killed(t):
    """Its journal is to be replayed, which a read-only VM cannot: it says what to do, and that helps."""
    path = disk_path(t, "killed.ext4")
    sh("cp", "--sparse=always", t.image("ext4"), path)
    writer = Call(t, path, "sh", "-c", "echo kept > /kept; sync; echo ready; sleep 1000", flags=("--rw",))
    writer.expect_output(b"ready\n")
    writer.process.kill()
    writer.process.communicate()
    status, _, errors = call(t, path, "cat", "/kept")
    check("reading", (status, b"run it once with --rw" in errors), (125, True))
    check("writing", call(t, path, "true", flags=("--rw",)), (0, b"", b""))
    check("reading again", call(t, path, "cat", "/kept"), (0, b"kept\n", b""))


@case()
def image_other_file_systems(t):
    for image in ("squashfs", "ext4"):
        check(
            image, call(t, image, "sh", "-c", "id -u; grep ' /image ' /proc/mounts | cut -d' ' -f3"), (0, b"0\n", b"")
        )


@case()
def image_out_of_memory(t):
    """The program dies, the call does not hang, and whoever called learns which."""
    status, output, _ = call(t, "busybox", "sh", "-c", "tail /dev/zero; echo status $?", flags=("--memory", "64M"))
    check("the shell's report", (status, output.splitlines()[-1:]), (0, [b"status 137"]))
    check("the program itself", call(t, "busybox", "tail", "/dev/zero", flags=("--memory", "64M"))[0], 137)


@case()
def image_timeout(t):
    began = time.monotonic()
    status, output, errors = call(t, "busybox", "sleep", "1000", flags=("--timeout", "5s"))
    took = time.monotonic() - began
    check("status", (status, output), (124, b""))
    check("the line", errors.startswith(b"mayfly: --timeout: the guest still ran after 5000 ms"), True)
    check("it took 5 s", 4.9 < took < 60, True)


@case()
def image_signals_are_forwarded(t):
    for number, name in (
        (signal.SIGTERM, "TERM"),
        (signal.SIGINT, "INT"),
        (signal.SIGHUP, "HUP"),
        (signal.SIGUSR1, "USR1"),
    ):
        started = Call(
            t, "busybox", "sh", "-c", f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.1; done"
        )
        started.expect_output(b"ready\n")
        started.process.send_signal(number)
        output, _ = started.process.communicate(timeout=CALL_SECONDS)
        check(name, (started.process.returncode, output), (9, f"got {name}\n".encode()))
    started = Call(t, "busybox", "sh", "-c", "echo ready; exec sleep 1000")
    started.expect_output(b"ready\n")
    started.process.send_signal(signal.SIGTERM)
    check("a death by SIGTERM", started.process.wait(CALL_SECONDS), 143)


@case()
def image_terminal(t):
    """-t: a terminal of the user's size, that learns of a new one; its keys are the program's."""
    t.needs_mayfly("images")
    script = "stty size; tty; trap 'stty size' WINCH; echo ready; while :; do sleep 0.1; done"
    guest = t.start_command([t.monitor, "run", "--image", t.image("busybox"), "-t", "--", "sh", "-c", script], "pty")
    guest.expect(rb"24 80\r*\n", CALL_SECONDS)
    guest.expect(rb"/dev/pts/0\r*\n.*ready", CALL_SECONDS)
    guest.resize(40, 132)
    guest.expect(rb"40 132\r*\n", CALL_SECONDS)
    guest.send(b"\x03")
    guest.expect_status(130)
    check("the terminal afterwards", guest.terminal.is_restored(), True)


@case()
def image_without_a_program(t):
    """What the image itself says, and an image that says nothing."""
    check("the image's own command", call(t, "own-command"), (3, b"own a b|from the image|/srv|1000\n", b""))
    check(
        "another command",
        call(t, "own-command", "sh", "-c", "echo $X; exit 4", flags=("--env", "X=mine")),
        (4, b"mine\n", b""),
    )
    with tempfile.NamedTemporaryFile() as file:
        file.write(b'# of the function\nA= "b" #\nB=of the file\nX\n')
        file.flush()
        os.environ.update({"X": "the caller's", "Y": "too"})
        flags = ("--env", "B=c", "--env-file", file.name, "--env", "Y")
        check(
            "variables of a file and of the caller",
            call(t, "own-command", "sh", "-c", 'echo "$A|$B|$X|$Y"', flags=flags),
            (0, b' "b" #|c|the caller\'s|too\n', b""),
        )
    status, _, errors = call(t, "busybox")
    check("no command", (status, errors), (125, b"mayfly: init: the image names no command; give one after --\n"))


@case()
def image_that_is_none(t):
    path = disk_path(t, "noise")
    with open(path, "wb") as file:
        file.write(os.urandom(MIB))
    status, _, errors = call(t, path, "true")
    check(
        "noise",
        (status, b"/dev/vda: holds no erofs, squashfs or ext4; make one with mayfly-image" in errors),
        (125, True),
    )
    sh("truncate", "-s", "512K", path)
    with open(t.image("busybox"), "rb") as whole, open(path, "wb") as file:
        file.write(whole.read(512 << 10))
    status, _, errors = call(t, path, "true")
    check("half an image", (status in (125, 126, 127), b"mayfly: " in errors), (True, True))


@case()
def image_kernel_panics(t):
    """The console, which nobody saw, tells what went wrong."""
    status, output, errors = call(
        t, "busybox", "true", flags=("--cmdline", "console=ttyS0 quiet panic=-1 reboot=k rdinit=/nothere")
    )
    check("status", (status, output), (126, b""))
    check(
        "the lines", b"mayfly: the guest ended before its program did\n" in errors and b"Kernel panic" in errors, True
    )


def call_with_other_init(t, word):
    cmdline = (
        "console=ttyS0 quiet reboot=k panic=-1 cryptomgr.notests 8250.nr_uarts=2 tsc=reliable "
        f"rdinit=/other_init -- {word}"
    )
    return call(
        t, "busybox", "true", flags=("--initrd", os.path.join(t.images, "other-init.cpio"), "--cmdline", cmdline)
    )


@case()
def image_with_an_init_of_another_version(t):
    """The monitor ends the VM and names both versions; and our init refuses another monitor, before it does anything."""
    for word, said in (
        ("old", b"the guest says no version"),
        ("hello=0", b"the guest says no version"),
        ("hello=2", b"the guest is of version 2"),
    ):
        status, output, errors = call_with_other_init(t, word)
        check(f"{word}: the end", (status, output), (125, b""))
        line = b"mayfly: the channel: " + said + b", this monitor is of version 1; "
        check(f"{word}: the line in {errors}", errors.startswith(line), True)
    for word, said in (("told=abi=9", b"mayfly of version 9"), ("told=arg=x", b"mayfly says none")):
        line = b"mayfly: init: is of version 1 and " + said + b"; install both of one release\n"
        check(f"{word}: the end", call_with_other_init(t, word), (125, b"", line))
    check("our own version", call_with_other_init(t, "told=abi=1"), (0, b"", b""))


@case()
def image_with_a_stock_kernel(t):
    """Debian's kernel, whose drivers are modules; the init and the channel are the same."""
    flags = (
        "--kernel",
        t.file("cloud.vmlinux"),
        "--initrd",
        os.path.join(t.images, "modules.cpio"),
        "--memory",
        "256M",
    )
    check(
        "the call",
        call(t, "busybox", "sh", "-c", "cat; uname -r | grep -c cloud; exit 5", stdin=b"in\n", flags=flags),
        (5, b"in\n1\n", b""),
    )


@case()
def image_jailed(t):
    check("the call", call(t, "busybox", "cat", stdin=b"in", flags=("--jail",)), (0, b"in", b""))


@case()
def image_several_processors(t):
    check("the call", call(t, "busybox", "nproc", flags=("--vcpus", "4")), (0, b"4\n", b""))


@case()
def image_network(t):
    """--net auto: the program finds an interface with an address and a way out, and lo."""
    with open("/proc/sys/net/ipv4/ip_forward", "w", encoding="ascii") as file:
        file.write("1")
    status, output, errors = call(
        t,
        "busybox",
        "sh",
        "-c",
        "ip -4 addr show dev eth0; ip route; ping -c 1 -w 20 127.0.0.1",
        flags=("--net", "auto"),
    )
    words = output.decode()
    check("status", (status, errors), (0, b""))
    for wanted in ("/30", "default via 172.16.", "1 packets received"):
        check(f"{wanted!r} in {words!r}", wanted in words, True)


def handle(t, image, *command):
    """A function that is called with an event and answers in JSON."""
    event = json.dumps({"name": "mayfly", "numbers": list(range(100))}).encode()
    status, output, errors = call(t, image, *command, stdin=event, flags=("--memory", "256M"))
    check(image, (status, errors), (0, b""))
    check("the answer", json.loads(output), {"hello": "mayfly", "sum": 4950})


@case()
def image_python(t):
    handle(t, "python", "/usr/bin/python3", "/srv/handler.py")


@case()
def image_node(t):
    handle(t, "node", "/usr/bin/node", "/srv/handler.js")


@case()
def image_static_program(t):
    check("the call", call(t, "static", "/hello"), (0, b"hello from a static program\n", b""))
