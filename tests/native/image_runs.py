"""How mayfly-image is called and how it ends: wrong words, what is there already, full disks, signals, missing tools."""
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import time

from kit import Skipped, case, expect, expect_equal
from image_files import FORMATS, file, folder_from, read_image, tar
from image_tool import ONE_THREAD, TREE, image_program, Scratch, nobody, ways_to_run, expect_failed

UNSANITIZED = ONE_THREAD


@case(needs_kvm=False)
def wrong_command_lines_are_refused():
    def command(*arguments):
        return subprocess.run([image_program(), *arguments], capture_output=True, check=False, timeout=60)

    expect_failed(command(), "SOURCE", "--help", status=2)
    expect_failed(command("a"), "OUT", status=2)
    expect_failed(command("a", "b", "c"), "c:", status=2)
    expect_failed(command("a", "b", "--formt", "ext4"), "--formt", status=2)
    expect_failed(command("a", "b", "--format", "fat"), "--format", "squashfs", status=2)
    expect_failed(command("a", "b", "--size", "64M"), "--size", "ext4", status=2)
    expect_failed(command("a", "b", "--format=ext4", "--size", "64"), "--size", status=2)
    expect_failed(command("oci:", "b"), "oci:", status=2)
    expect_equal(command("--help").returncode, 0, "status of --help")
    expect(command("--version").stdout.startswith(b"mayfly-image "), "no version")


@case(needs_kvm=False)
def out_is_a_file_that_is_replaced_whole():
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(*TREE))
        (scratch.path / "dir").mkdir()
        expect_failed(scratch.run(source, out="dir"), "dir", "no regular file")
        expect_failed(
            subprocess.run([image_program(), source, "/dev/null"], capture_output=True, check=False), "/dev/null"
        )
        expect_failed(scratch.run(source, out="none/out"), "none/out", "No such file")
        expect_failed(scratch.run("no-such-source"), "no-such-source", "No such file")
        expect_failed(scratch.run(scratch.path, out="out"), "SOURCE")
        scratch.put("old", b"old image")
        (scratch.path / "old").chmod(0o640)
        (scratch.path / "link").symlink_to("old")
        with open(scratch.path / "old", "rb") as reader:
            scratch.make(source, out="link")
            expect_equal(reader.read(), b"old image", "what a reader of the old image sees")
        expect((scratch.path / "link").is_symlink(), "the link is still one")
        expect(scratch.bytes("old") != b"old image", "the file behind the link is new")
        expect_equal((scratch.path / "old").stat().st_mode & 0o777, 0o640, "permissions of the old image")
        scratch.put("broken", b"broken")
        expect_failed(scratch.run(scratch.path / "broken", out="old"), "broken")
        expect(scratch.bytes("old") != b"", "the old image stays when there is no new one")


@case(needs_kvm=False)
def ext4_has_the_size_asked_for_or_says_what_it_needs():
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(("data", file(os.urandom(5 << 20)))))
        expect_equal(scratch.run(source, "--format", "ext4", "--size", "64M").returncode, 0, "status")
        expect_equal((scratch.path / "out").stat().st_size, 64 << 20, "size")
        for how in ways_to_run():
            failed = scratch.run(source, "--format", "ext4", "--size", "6M", **how)
            expect_failed(failed, "--size", "too small")
            needed = failed.stderr.decode().split("--size ")[-1].split()[0]
            (scratch.path / "out").unlink(missing_ok=True)
            again = scratch.run(source, "--format", "ext4", "--size", needed, **how)
            expect_equal((again.returncode, again.stderr), (0, b""), f"with the size that it said, {needed}")
            expect_equal(
                read_image(scratch.path / "out", "ext4", scratch.path)["data"].content[:4],
                tarfile.open(source).extractfile("data").read(4),
                "content",
            )
            (scratch.path / "out").unlink()


@case(needs_kvm=False)
def a_full_disk_is_one_line_and_nothing_left():
    if os.geteuid() != 0:
        raise Skipped("a small file system needs root")
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(("data", file(os.urandom(6 << 20)))))
        tree = folder_from([("data", file(os.urandom(6 << 20)))], scratch.path / "tree")
        small = scratch.path / "small"
        small.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4M,mode=1777", "tmpfs", str(small)], check=True)
        try:
            for kind in FORMATS:
                for origin, how in [(tree, {}), (source, {}), (source, {"preexec_fn": nobody})]:
                    expect_failed(scratch.run(origin, "--format", kind, out="small/out", **how), "No space left")
                    expect_equal(os.listdir(small), [], f"left over of {kind}")
        finally:
            subprocess.run(["umount", str(small)], check=True)


def processes_in(folder_name):
    """The command lines that name the folder."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = path.read_bytes()
        except OSError:
            continue
        if os.fsencode(folder_name) in words:
            found.append(words)
    return found


def interrupted(scratch, source, number, how, is_midway):
    """Starts an image, sends the signal when `is_midway`, and returns what the program said."""
    with subprocess.Popen(
        [image_program(), str(source), str(scratch.path / "out")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **how,
    ) as running:
        if source == "-":
            running.stdin.write(tar(("big", file(bytes(1 << 20))))[:600000])  # and no more comes
            running.stdin.flush()
        deadline = time.monotonic() + 20
        while not is_midway():
            expect(time.monotonic() < deadline, "it never was midway")
            time.sleep(0.01)
        running.send_signal(number)
        try:
            running.wait(timeout=20)
        finally:
            running.kill()
        return running.returncode, running.stderr.read()


@case(needs_kvm=False)
def an_interrupt_leaves_nothing():
    with Scratch() as scratch:

        def is_unpacking():
            return any(path.stat().st_size for path in scratch.path.glob(".mayfly-image-*/tree/big"))

        for how in ways_to_run():
            for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
                status, said = interrupted(scratch, "-", number, how, is_unpacking)
                expect_equal((status, said), (-number, b""), "status and stderr")
                expect_equal(os.listdir(scratch.path), [], "left over")
                expect_equal(processes_in(scratch.path), [], "processes left over")


@case(needs_kvm=False)
def a_background_job_can_be_ended():
    """A script's shell starts one with SIGINT ignored."""
    with Scratch() as scratch:

        def is_unpacking():
            return any(path.stat().st_size for path in scratch.path.glob(".mayfly-image-*/tree/big"))

        def without_sigint(prepare):
            def prepare_child():
                signal.signal(signal.SIGINT, signal.SIG_IGN)
                prepare()

            return {"preexec_fn": prepare_child}

        for how in ways_to_run():
            how = without_sigint(how.get("preexec_fn", lambda: None))
            status, said = interrupted(scratch, "-", signal.SIGTERM, how, is_unpacking)
            expect_equal((status, said), (-signal.SIGTERM, b""), "status and stderr")
            expect_equal(os.listdir(scratch.path), [], "left over")
            expect_equal(processes_in(scratch.path), [], "processes left over")


@case(needs_kvm=False)
def a_signal_ends_the_tool_whatever_it_ignores():
    """One that ignores all that it can, and waits for a process of its own, stands in for the tool."""
    with Scratch() as scratch:
        tools = scratch.path / "tools"
        tools.mkdir(mode=0o777)
        tools.chmod(0o777)
        (tools / "mkfs.erofs").write_text(
            "#!/bin/sh\ntrap '' INT TERM HUP\nsleep 1000 &\necho $! > $0.new\nmv $0.new $0.runs\nwait\n"
        )
        (tools / "mkfs.erofs").chmod(0o755)
        runs = tools / "mkfs.erofs.runs"
        tree = folder_from([("x", file())], scratch.path / "tree")
        archive = scratch.put("a.tar", tar(*TREE))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            for source in (tree, archive):  # the second in a program of ours under fakeroot, without root
                for how in ways_to_run():
                    how = {**how, "env": {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}}
                    status, said = interrupted(scratch, source, number, how, runs.exists)
                    expect_equal((status, said), (-number, b""), f"status and stderr, {source}")
                    expect_equal(sorted(os.listdir(scratch.path)), ["a.tar", "tools", "tree"], "left over")
                    expect(not is_alive(int(runs.read_text())), f"the tool's process lives, {source}")
                    runs.unlink()


def is_alive(process):
    """Soon after it was killed, too: whoever reaps an orphan may take a moment."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        try:
            if pathlib.Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return False
        except OSError:
            return False
        time.sleep(0.01)
    return True


@case(needs_kvm=False)
def a_killed_program_leaves_one_folder_with_its_name():
    with Scratch() as scratch:

        def is_unpacking():
            return any(path.stat().st_size for path in scratch.path.glob(".mayfly-image-*/tree/big"))

        for how in ways_to_run():
            status, _ = interrupted(scratch, "-", signal.SIGKILL, how, is_unpacking)
            expect_equal(status, -signal.SIGKILL, "status")
            left = os.listdir(scratch.path)
            expect(len(left) == 1 and left[0].startswith(".mayfly-image-"), f"left over: {left}")
            deadline = time.monotonic() + 20
            while processes_in(scratch.path) and time.monotonic() < deadline:
                time.sleep(0.05)
            expect_equal(processes_in(scratch.path), [], "processes left over")
            shutil.rmtree(scratch.path / left[0])


@case(needs_kvm=False)
def a_missing_tool_is_named_with_its_package():
    with Scratch() as scratch:
        source = folder_from([("x", file())], scratch.path / "tree")
        archive = scratch.put("a.tar", tar(*TREE))
        hidden = [
            "unshare",
            "-m",
            "sh",
            "-c",
            'for tool in "$0"; do mount --bind /dev/null "$tool"; done; shift 0; exec "$@"',
        ]
        if os.geteuid() != 0:
            raise Skipped("hiding a tool needs root")
        for tool, package, origin, kind, user in [
            ("mkfs.erofs", "erofs-utils", source, "erofs", []),
            ("mksquashfs", "squashfs-tools", source, "squashfs", []),
            ("mke2fs", "e2fsprogs", source, "ext4", []),
            ("fakeroot", "fakeroot", archive, "erofs", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]),
        ]:
            path = os.path.realpath(shutil.which(tool, path="/usr/bin:/usr/sbin:/bin:/sbin"))
            result = subprocess.run(
                [*hidden, path, *user, image_program(), str(origin), str(scratch.path / "out"), "--format", kind],
                capture_output=True,
                check=False,
            )
            expect_failed(result, tool, package)
