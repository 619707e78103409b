"""mayfly-image as root: in folders whose owners swap names while it works, and of archives that attack who reads them."""
import contextlib
import ctypes
import gzip
import os
import shutil
import struct
import subprocess
import time

from image_files import Layout, Node, docker_archive, file, folder, read_image, tar
from image_tool import NOBODY, ONE_THREAD, Scratch, expect_failed, image_program, nobody, ways_to_run

from kit import Skipped, case, expect, expect_equal

UNSANITIZED = ONE_THREAD
SECRET = b"known to root alone"

# Runs as the owner of the folder: whatever mayfly-image makes there by name becomes the attacker's, and leads to the
# victim. Prints a line when it is at work, one for each name that it got, and ends when its stdin does.
SWAPPER = """
import os, select, sys
theirs, victim = sys.argv[1:]
os.chdir(theirs)
print("at work", flush=True)
while not select.select([sys.stdin], [], [], 0.001)[0]:
    for name in [name for name in os.listdir(".") if name.startswith(".mayfly-image-")]:
        try:
            os.rename(name, "stolen" + name)
            os.mkdir(name)
            os.symlink(victim, name + "/tree")
            open(name + "/image", "w").close()
            print(name, flush=True)
        except OSError:
            pass
"""


def needs_root():
    if os.geteuid() != 0:
        raise Skipped("these attacks are on root")


class Hostile:
    """Beside each other: `theirs`, a folder of the attacker's, and `victim`, one of root's."""

    def __init__(self, scratch):
        self.theirs, self.victim = scratch.path / "theirs", scratch.path / "victim"
        self.theirs.mkdir()
        os.chown(self.theirs, NOBODY, NOBODY)
        self.victim.mkdir(mode=0o700)
        (self.victim / "secret").write_bytes(SECRET)
        os.utime(self.victim, (1000, 1000))
        os.utime(self.victim / "secret", (1000, 1000))

    @contextlib.contextmanager
    def swapping(self):
        with subprocess.Popen(
            ["/usr/bin/python3", "-c", SWAPPER, str(self.theirs), str(self.victim)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            preexec_fn=nobody,
        ) as attacker:
            attacker.stdout.readline()
            yield attacker
            attacker.stdin.close()

    def expect_untouched(self):
        expect_equal(os.listdir(self.victim), ["secret"], "names in the victim's folder")
        expect_equal((self.victim / "secret").read_bytes(), SECRET, "the victim's file")
        for path in (self.victim, self.victim / "secret"):
            status = path.stat()
            expect_equal((status.st_uid, status.st_mtime), (0, 1000), f"owner and time of {path}")
            expect_equal(os.listxattr(path), [], f"extended attributes of {path}")


def is_swapped(out):
    """Whether it is the attacker's folder, which it had renamed as an image: the last step to OUT is a name's."""
    return out.is_dir()


def fed_slowly(out, first, rest, midway):
    """mayfly-image of an archive on stdin, which stops half way until `midway` returns; stdout and stderr closed."""
    with subprocess.Popen(
        [image_program(), "-", str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as running:
        running.stdin.write(first)
        running.stdin.flush()
        midway(running)
        with contextlib.suppress(BrokenPipeError):
            running.stdin.write(rest)
        with contextlib.suppress(BrokenPipeError):
            running.stdin.close()
        running.wait(timeout=60)
        return running.returncode, running.stderr.read()


def halves(*entries):
    """An archive in two pieces, the first with all but the last entry and enough to be read on its own."""
    data = tar(("filler", file(os.urandom(600000))), *entries)
    return data[:500000], data[500000:]


@case(needs_kvm=False)
def an_owner_of_outs_folder_who_swaps_names_leads_root_nowhere():
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        capability = "\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"
        first, rest = halves(
            ("secret", file(b"an archive's", xattrs={"security.capability": capability, "user.evil": "yes"})),
            ("sub", folder()),
        )
        with hostile.swapping() as attacker:
            status, said = fed_slowly(hostile.theirs / "out", first, rest, lambda _: time.sleep(0.5))
            attacker.stdin.close()
            got = attacker.stdout.read().split()
        hostile.expect_untouched()
        if is_swapped(hostile.theirs / "out"):
            expect_equal(status, 1, f"status, with the attacker at {got}")
            expect(b"something else" in said, f"it says {said!r}")
            return
        expect_equal((status, said), (0, b""), f"status and stderr, with the attacker at {got}")
        image = (hostile.theirs / "out").read_bytes()
        expect(SECRET not in image, "root's file is in the image")
        found = read_image(hostile.theirs / "out", "erofs", scratch.path)
        expect_equal(found["secret"].content, b"an archive's", "the archive's own file")
        expect(all(name.startswith(b".mayfly-image-") for name in got), f"the attacker got {got}")
        expect_equal([name for name in os.listdir(hostile.theirs) if "tree" in name], [], "a tree in that folder")


@case(needs_kvm=False)
def a_folder_as_source_is_swapped_for_nothing_either():
    """Its image is made in OUT's folder all the same, and read and written by the tools."""
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        source = scratch.path / "source"
        source.mkdir()
        (source / "big").write_bytes(os.urandom(8 << 20))
        for kind in ("erofs", "squashfs", "ext4"):
            with hostile.swapping():
                result = scratch.run(source, "--format", kind, out="theirs/out")
            hostile.expect_untouched()
            if is_swapped(hostile.theirs / "out"):
                expect_failed(result, "theirs/out", "something else")
                shutil.rmtree(hostile.theirs / "out")
                continue
            expect_equal((result.returncode, result.stderr), (0, b""), f"status and stderr of {kind}")
            expect_equal(sorted(read_image(hostile.theirs / "out", kind, scratch.path)), [".", "big"], f"{kind}")
            (hostile.theirs / "out").unlink()


@case(needs_kvm=False)
def an_image_swapped_at_the_last_moment_is_no_success():
    """Between the image's own name and OUT's, which is a moment that strace makes longer."""
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        source = scratch.path / "source"
        source.mkdir()
        delayed = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=renameat", "-e", "signal=none"]
        delayed += ["-e", "inject=renameat:delay_enter=500000"]
        with hostile.swapping():
            # LeakSanitizer traces, too, and only one can.
            environment = {**os.environ, "ASAN_OPTIONS": "detect_leaks=0"}
            result = scratch.run(source, out="theirs/out", under=delayed, env=environment)
        expect(is_swapped(hostile.theirs / "out"), "the attacker was too late")
        expect_failed(result, "theirs/out", "something else")
        hostile.expect_untouched()


@case(needs_kvm=False)
def a_folder_above_out_that_is_swapped_leads_nowhere():
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        (hostile.theirs / "sub").mkdir()
        os.chown(hostile.theirs / "sub", NOBODY, NOBODY)

        def swap(_):
            time.sleep(0.3)  # it has found OUT's folder
            (hostile.theirs / "sub").rename(hostile.theirs / "was-sub")
            (hostile.theirs / "sub").symlink_to(hostile.victim)

        first, rest = halves(("secret", file(b"an archive's", xattrs={"user.evil": "yes"})))
        status, said = fed_slowly(hostile.theirs / "sub/out", first, rest, swap)
        expect_equal((status, said), (0, b""), "status and stderr")
        hostile.expect_untouched()
        expect_equal(os.listdir(hostile.theirs / "was-sub"), ["out"], "the folder that it was")
        expect_failed(scratch.run("-", out="theirs/sub/out"), "theirs/sub", "link in a folder that others may write")


@case(needs_kvm=False)
def a_link_that_somebody_else_may_have_made_is_not_replaced_through():
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        source = scratch.put("a.tar", tar(("x", file())))
        (hostile.theirs / "out").symlink_to(hostile.victim / "secret")
        os.lchown(hostile.theirs / "out", NOBODY, NOBODY)
        expect_failed(scratch.run(source, out="theirs/out"), "theirs/out", "link in a folder that others may write")
        (scratch.path / "out").symlink_to(hostile.victim / "secret")
        os.lchown(scratch.path / "out", NOBODY, NOBODY)
        expect_failed(scratch.run(source), "link in a folder that others may write")
        hostile.expect_untouched()
        (hostile.theirs / "out").unlink()
        theirs = hostile.theirs / "out"
        theirs.write_bytes(b"old")
        os.chown(theirs, NOBODY, NOBODY)
        theirs.chmod(0o4777)
        expect_equal(scratch.run(source, out="theirs/out").returncode, 0, "status")
        expect_equal(theirs.stat().st_mode & 0o7022, 0, "what others may do with an image in the place of theirs")


@case(needs_kvm=False)
def a_temporary_folder_that_others_can_change_is_not_used():
    needs_root()
    with Scratch() as scratch:
        hostile = Hostile(scratch)
        (hostile.theirs / "tmp").mkdir()
        private = scratch.path / "private"
        private.mkdir(mode=0o700)
        first, rest = halves(("x", file()))
        for folder_name, is_used in (("private", True), ("theirs/tmp", False)):
            os.environ["TMPDIR"] = str(scratch.path / folder_name)
            try:
                made = []
                status, said = fed_slowly(
                    hostile.theirs / "out",
                    first,
                    rest,
                    lambda _: (time.sleep(0.3), made.extend(os.listdir(os.environ["TMPDIR"]))),
                )
            finally:
                left = os.listdir(os.environ.pop("TMPDIR"))
            expect_equal((status, said, left), (0, b"", []), "status, stderr and what is left")
            expect_equal(len(made), int(is_used), f"a tree in {folder_name}")


IN_OPEN = 0x20  # sys/inotify.h


def opened(path, running, do):
    """Whether the program opens the file while `do` runs and until it ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    events = libc.inotify_init1(os.O_NONBLOCK)
    expect(libc.inotify_add_watch(events, os.fsencode(path), IN_OPEN) >= 0, "inotify")
    do()
    running.wait(timeout=60)
    try:
        # Only those of the file, which have no name; its removal is one too.
        masks = [mask for _, mask, _, _ in struct.iter_unpack("iIII", os.read(events, 4096))]
        return any(mask & IN_OPEN for mask in masks)
    except BlockingIOError:
        return False
    finally:
        os.close(events)


@case(needs_kvm=False)
def device_nodes_of_an_archive_are_never_opened():
    """To open some is to use them: that of a watchdog starts it."""
    needs_root()
    for name in ("manifest.json", "oci-layout"):
        with Scratch() as scratch:
            first, rest = halves(("last", file()))
            node = tar((name, Node("char", device=(1, 3))))[:512]  # without an archive's end
            with subprocess.Popen(
                [image_program(), "-", str(scratch.path / "out")], stdin=subprocess.PIPE, stderr=subprocess.PIPE
            ) as running:
                running.stdin.write(node + first)
                running.stdin.flush()
                deadline = time.monotonic() + 20
                while not (found := list(scratch.path.glob(f".mayfly-image-*/tree/{name}"))):
                    expect(time.monotonic() < deadline, "the node was never made")
                    time.sleep(0.01)

                def finish():
                    running.stdin.write(rest)
                    running.stdin.close()

                expect(not opened(found[0], running, finish), f"a device named {name} was opened")
                expect_equal((running.returncode, running.stderr.read()), (0, b""), "status and stderr")
            expect_equal(read_image(scratch.path / "out", "erofs", scratch.path)[name].device, (1, 3), "the node")
    with Scratch() as scratch:
        expect_failed(scratch.run("/dev/zero"), "/dev/zero", "neither a folder nor a file")


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as listed:
        return [int(word) for word in listed.read().split()]


def descendants(pid):
    return [pid] + [found for child in children(pid) for found in descendants(child)]


@case(needs_kvm=False)
def archives_are_read_in_a_sandbox():
    """By root and by others: whoever reads them has a filter, no new privileges, and of root's what trees need."""
    needs = {0, 1, 3, 4, 27, 31}  # CHOWN, DAC_OVERRIDE, FOWNER, FSETID, MKNOD, SETFCAP
    for how in ways_to_run():
        with Scratch() as scratch:
            first, rest = halves(("last", file()))
            with subprocess.Popen(
                [image_program(), "-", str(scratch.path / "out")],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                **how,
            ) as running:
                running.stdin.write(first)
                running.stdin.flush()
                deadline = time.monotonic() + 20
                while not list(scratch.path.glob(".mayfly-image-*/tree/filler")):
                    if how and time.monotonic() > deadline - 18:
                        break  # its folder is not ours to look into
                    expect(time.monotonic() < deadline, "it never was midway")
                    time.sleep(0.01)
                statuses = []
                for pid in descendants(running.pid):
                    with open(f"/proc/{pid}/status", encoding="ascii") as status:
                        statuses.append(dict(line.rstrip("\n").split(":\t", 1) for line in status if ":\t" in line))
                readers = [status for status in statuses if status["Seccomp"] == "2"]
                expect_equal(len(readers), 1, f"processes with a filter, of {len(statuses)}")
                expect_equal(readers[0]["NoNewPrivs"], "1", "no new privileges")
                has = {bit for bit in range(64) if int(readers[0]["CapPrm"], 16) >> bit & 1}
                expect(has <= (set() if how else needs), f"capabilities {has}")
                running.stdin.write(rest)
                running.stdin.close()
                expect_equal((running.wait(60), running.stderr.read()), (0, b""), "status and stderr")


@case(needs_kvm=False)
def a_small_archive_does_not_become_a_large_tree():
    """Unless the caller says that it may."""
    zeros = tar(("zeros", file(bytes(120 << 20))))
    with Scratch() as scratch:
        bomb = gzip.compress(zeros, 6)
        source = scratch.put("bomb.tar.gz", bomb)
        for how in ways_to_run():
            for origin, more in ((source, {}), ("-", {"stdin": bomb})):
                expect_failed(scratch.run(origin, **more, **how), "zeros", "proportion", "--max-expansion")
            layout = Layout(scratch.path / f"oci{len(how)}")
            layout.index(layout.manifest([(bomb, "gzip")]))
            expect_failed(scratch.run(f"oci:{layout.path}", **how), "zeros", "--max-expansion")
            saved = gzip.compress(docker_archive([zeros], {}, compressed=True))
            expect_failed(scratch.run("-", stdin=saved, **how), "zeros", "--max-expansion")
            expect_equal(sorted(set(os.listdir(scratch.path)) - {"oci0", "oci1"}), ["bomb.tar.gz"], "left over")
            allowed = scratch.run(source, "--max-expansion", "1000", "--format", "squashfs", **how)
            expect_equal((allowed.returncode, allowed.stderr), (0, b""), "status where it is allowed")
            (scratch.path / "out").unlink()
        for words in ("0", "x", "-1"):
            expect_failed(scratch.run(source, f"--max-expansion={words}"), "--max-expansion", status=2)
