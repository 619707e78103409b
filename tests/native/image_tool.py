"""mayfly-image as cases call it: in a folder of its own, as one user or another, and what it says when it refuses."""
import os
import pathlib
import shutil
import subprocess
import tempfile

from kit import expect, expect_equal, program
from image_files import Node, file, folder, hard_link, read_image, symlink, tar


ONE_THREAD = {"thread": "mayfly-image has one thread"}

NOBODY = 65534
TREE = [
    ("bin", folder()),
    ("bin/sh", file(b"#!" * 5000, mode=0o755)),
    ("bin/su", file(b"su", mode=0o4755)),
    ("bin/ash", hard_link("bin/sh")),
    ("lib", symlink("usr/lib")),
    ("long", symlink("x/" * 60)),
    ("empty", file(b"")),
    ("home", folder(mode=0o711, owner=(1000, 100))),
    ("home/note", file(b"hello", mode=0o600, owner=(1000, 70000), xattrs={"user.color": "blue", "user.also": "green"})),
    ("tmp", folder(mode=0o1777)),
    ("null", Node("char", mode=0o666, device=(1, 3))),
    ("disk", Node("block", mode=0o660, owner=(0, 6), device=(8, 1))),
    ("pipe", Node("fifo", mode=0o600)),
]
CONFIG = {
    "Entrypoint": ["/bin/sh", "-c"],
    "Cmd": ["echo  hi", ""],
    "Env": ["PATH=/bin", "A=b=c"],
    "WorkingDir": "/home",
    "User": "1000:100",
}
CONFIG_FILE = b"arg=/bin/sh\0arg=-c\0arg=echo  hi\0arg=\0env=PATH=/bin\0env=A=b=c\0workdir=/home\0user=1000:100\0"


def image_program():
    return os.path.join(os.path.dirname(program()), "mayfly-image")


class Scratch:
    """A folder that anyone may write to, where everybody's names stay theirs."""

    def __enter__(self):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="mayfly-images-"))
        self.path.chmod(0o1777)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path)

    def put(self, name, data):
        (self.path / name).write_bytes(data)
        return str(self.path / name)

    def run(self, source, *more, out="out", stdin=b"", under=(), **options):
        """`under`: the words of a program that runs it."""
        return subprocess.run(
            [*under, image_program(), str(source), str(self.path / out), *more],
            input=stdin,
            capture_output=True,
            check=False,
            timeout=120,
            **options,
        )

    def make(self, source, kind="erofs", out="out", **options):
        """The image, read back. Nothing is said, and nothing else is left."""
        before = set(os.listdir(self.path))
        result = self.run(source, "--format", kind, out=out, **options)
        expect_equal((result.returncode, result.stdout, result.stderr), (0, b"", b""), f"{kind} of {source}")
        expect_equal(set(os.listdir(self.path)) - before - {out}, set(), "left over")
        return read_image(self.path / out, kind, self.path)

    def bytes(self, name="out"):
        return (self.path / name).read_bytes()


def nobody():
    os.setgroups([])
    os.setgid(NOBODY)
    os.setuid(NOBODY)


def ways_to_run():
    """As root, and as somebody who is not; or as whom the tests run."""
    return [{}, {"preexec_fn": nobody}] if os.geteuid() == 0 else [{}]


def expect_failed(result, *words, status=1):
    expect_equal(result.returncode, status, f"status ({result.stderr!r})")
    lines = result.stderr.decode().splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    expect(lines[0].startswith("mayfly-image: "), f"no prefix: {lines[0]!r}")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")


def refused(entries, *words, kind="erofs"):
    """An archive of these entries makes no image, and leaves nothing."""
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(*entries))
        for how in ways_to_run():
            expect_failed(scratch.run(source, "--format", kind, **how), *words)
            expect_equal(os.listdir(scratch.path), ["a.tar"], "left over")


def expect_tree(found, entries, kind):
    """Each entry is found with all that it is, and nothing else is."""
    expect_equal(sorted(set(found) - {"."}), sorted(name for name, _ in entries), f"names in the {kind}")
    by_name = dict(entries)
    for name, node in entries:
        wanted = by_name[node.target] if node.kind == "link" else node
        values = {**vars(wanted), "inode": 0, "xattrs": {key: value.encode() for key, value in wanted.xattrs.items()}}
        if kind == "erofs":
            values["xattrs"] = {}
        expect_equal({**vars(found[name]), "inode": 0}, values, f"{name} in the {kind}")
