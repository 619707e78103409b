"""mayfly-debian-image around a stand-in for mmdebstrap: what that is asked for, what its faults are called, and what is left.
With the real one, and Debian's packages: tests/nested/server_cases.py."""
import os
import signal
import subprocess
import tarfile

from kit import case, expect, expect_equal, expect_refused, program, scratch, scratch_file
from image_files import file, folder, read_image, tar

UNSANITIZED = "a script"
# What mmdebstrap says when it cannot, and words of what becomes of it.
FAULTS = {
    "E: Unable to locate package no-such\nE: setup failed: E: apt-get": ("no package no-such", "bookworm", "apt-cache"),
    "Err:1 http://x x InRelease\n  Could not resolve 'x'\nE: Failed to fetch http://x/InRelease": (
        "cannot be reached",
        "http://x/InRelease",
    ),
    "E: The repository 'http://x nosuch Release' does not have a Release file.": ("no suite bookworm", "--suite"),
    "E: Write error - write (28: No space left on device)": ("no space", "TMPDIR"),
    "W: GPG error: http://x: NO_PUBKEY 6ED0\nE: The repository 'http://x' is not signed.": ("debian-archive-keyring",),
}


class Maker:
    """mayfly-debian-image in a folder, with a script in place of mmdebstrap."""

    def __init__(self, path, script):
        self.path = path
        (path / "bin").mkdir()
        (path / "tmp").mkdir()
        (path / "bin/mmdebstrap").write_text(f"#!/bin/bash\n{script}\n")
        (path / "bin/mmdebstrap").chmod(0o755)
        self.out = path / "app.img"
        self.environment = {**os.environ, "PATH": f"{path}/bin:{os.environ['PATH']}", "TMPDIR": str(path / "tmp")}

    def line(self, *more):
        return [program("mayfly-debian-image"), str(self.out), "python3", "redis-server=5:7.0", *more]

    def run(self, *more):
        more = more or ("--suite", "bookworm", "--mirror", "http://mirror.example/debian")
        return subprocess.run(
            self.line(*more), env=self.environment, capture_output=True, text=True, timeout=60, check=False
        )

    def left(self):
        return os.listdir(self.path / "tmp")


@case(needs_kvm=False)
def what_is_asked_for_and_made():
    with scratch() as path:
        archive = scratch_file(path, "tree.tar", tar(("bin", folder()), ("bin/sh", file(b"shell", mode=0o755))))
        maker = Maker(path, f'printf "%s\\n" "$@" >{path}/asked; cat {archive}')
        done = maker.run()
        expect_equal((done.returncode, done.stdout, done.stderr), (0, "", ""), "status and words")
        asked = (path / "asked").read_text().splitlines()
        expect("--include=python3 redis-server=5:7.0" in asked, f"the packages in {asked}")
        at = asked.index("bookworm")
        expect_equal(asked[at + 1], "-", "where the tree goes")
        expect(asked[at + 2].endswith("http://mirror.example/debian bookworm main"), f"the source {asked[at + 2]}")
        expect_equal(len(asked), at + 3, "words")
        expect_equal(read_image(maker.out, "erofs", path)["bin/sh"].content, b"shell", "what is in the image")
        expect_equal(maker.left(), [], "left over")


@case(needs_kvm=False)
def by_a_link_elsewhere():
    """mayfly-image is beside the program, not beside the link."""
    with scratch() as path:
        (path / "link").symlink_to(program("mayfly-debian-image"))
        words = [[path / "link", "--version"], [program("mayfly-image"), "--version"]]
        link, image = (subprocess.run(each, capture_output=True, text=True, check=False).stdout for each in words)
        expect_equal(link, image.replace("mayfly-image", "mayfly-debian-image"), "version")


@case(needs_kvm=False)
def faults_have_names_and_leave_nothing():
    for said, words in FAULTS.items():
        with scratch() as path:
            (path / "said").write_text(said + "\n")
            # Half a tree, as of one that fails late.
            archive = scratch_file(path, "tree.tar", tar(("bin", folder()), ("bin/sh", file(b"x" * 9000)))[:9000])
            maker = Maker(path, f"cat {path}/said >&2; cat {archive}; exit 25")
            maker.out.write_text("of before")
            expect_refused(maker.run(), *words, status=1, program="mayfly-debian-image")
            expect_equal((maker.out.read_text(), maker.left()), ("of before", []), "the image of before, and left over")
    with scratch() as path:
        maker = Maker(path, "echo E: something new >&2; exit 25")
        done = maker.run()
        expect_equal((done.returncode, "something new" in done.stderr.splitlines()[-1]), (1, True), done.stderr)
        # A tree that is cut off, and success: mayfly-image sees that.
        (path / "bin/mmdebstrap").write_text(f"#!/bin/bash\nhead -c 700 {path}/tree.tar\n")
        with tarfile.open(path / "tree.tar", "w") as archive:
            archive.add("/bin/sh", "sh")
        expect_equal((maker.run().returncode, maker.out.exists(), maker.left()), (1, False, []), "half a tree")


@case(needs_kvm=False)
def ended_by_a_signal():
    """With all that mmdebstrap has started: it waits for its children itself."""
    with scratch() as path:
        os.mkfifo(path / "held")
        script = f'trap : TERM; (exec 3>{path}/held; exec sleep 1000) & touch "$TMPDIR/of-mmdebstrap"; wait; wait'
        maker = Maker(path, script)
        started = subprocess.Popen(
            maker.line("--mirror", "http://mirror.example/debian"), env=maker.environment, stderr=subprocess.DEVNULL
        )
        with open(path / "held", "rb") as held:  # opens when the child has it
            started.send_signal(signal.SIGTERM)
            expect_equal(held.read(), b"", "what the child wrote; it has ended")
        expect_equal(started.wait(60), 143, "status")
        expect_equal((maker.out.exists(), maker.left()), (False, []), "the image, and left over")


@case(needs_kvm=False)
def wrong_words():
    with scratch() as path:
        maker = Maker(path, "exit 99")
        for words, said in (
            (("--suite",), "--suite: needs a value"),
            (("--sweet", "sid"), "--sweet: unknown flag"),
            (("--mirror", "mirror.example"), "is no URL"),
            (("--format", "vfat"), "is none of erofs, squashfs and ext4"),
            (("--suite", "a b"), "is no name of a suite"),
            (("Python3",), "Python3: is no name of a package"),
            (("--", "-x"), "-x: is no name of a package"),
        ):
            expect_refused(maker.run(*words), said, "--help", status=2, program="mayfly-debian-image")
        (path / "bin/mmdebstrap").unlink()
        maker.environment["PATH"] = str(path / "bin")
        for tool in ("bash", "dirname", "id"):
            os.symlink(f"/usr/bin/{tool}", path / "bin" / tool)
        expect_refused(maker.run(), "install the package mmdebstrap", status=1, program="mayfly-debian-image")
        maker.out.mkdir()
        expect_refused(maker.run(), "app.img: is a folder", status=1, program="mayfly-debian-image")
