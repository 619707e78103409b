"""mayfly-image: images of every format from every source, read back by the tools of the formats; and what it refuses."""
import bz2
import gzip
import io
import json
import lzma
import os
import pathlib
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time

from kit import Skipped, case, expect, expect_equal, program
from image_files import (
    FORMATS,
    MTIME,
    Layout,
    Node,
    digest,
    docker_archive,
    file,
    folder,
    folder_from,
    hard_link,
    named,
    old_docker_archive,
    read_image,
    same_inode,
    symlink,
    tar,
    zstd,
)

UNSANITIZED = {"thread": "mayfly-image has one thread"}

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


@case(needs_kvm=False)
def an_archive_becomes_every_format_for_everyone():
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(*TREE))
        for kind in FORMATS:
            images = set()
            for how in ways_to_run():
                found = scratch.make(source, kind, **how)
                expect_tree(found, TREE, kind)
                expect(
                    same_inode(scratch.path / "out", kind, found, "bin/sh", "bin/ash"), f"the hard link in the {kind}"
                )
                images.add(scratch.bytes())
                (scratch.path / "out").unlink()
            expect_equal(len(images), 1, f"different {kind} images of the same archive")
            if kind == "erofs":  # no tool shows them; the image is not compressed
                expect(b"colorblue" in images.pop(), "an extended attribute")


@case(needs_kvm=False)
def a_folder_becomes_every_format():
    entries = [(name, node) for name, node in TREE if node.kind not in ("char", "block")]
    entries = [
        (name, Node(**{**vars(node), "owner": (os.geteuid(), os.getegid()), "xattrs": {}})) for name, node in entries
    ]
    with Scratch() as scratch:
        source = folder_from(entries, scratch.path / "tree")
        for kind in FORMATS:
            expect_tree(scratch.make(source, kind), entries, kind)


@case(needs_kvm=False)
def every_compression_and_stdin_give_the_same_image():
    data = tar(*TREE)
    with Scratch() as scratch:
        scratch.make(scratch.put("a", data))
        wanted = scratch.bytes()
        for name, pack in {"gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress, "zstd": zstd}.items():
            scratch.make(scratch.put("a", pack(data)))
            expect(scratch.bytes() == wanted, f"another image from {name}")
        scratch.make("-", stdin=gzip.compress(data))
        expect(scratch.bytes() == wanted, "another image from stdin")
        scratch.make(
            scratch.put("a", tar(*[entry for entry in TREE if not entry[1].xattrs], layout=tarfile.GNU_FORMAT))
        )


@case(needs_kvm=False, unsanitized="it compares bytes that the cases above have made, too")
def the_same_source_gives_the_same_bytes():
    """Whatever the time, the caller's settings, where it lies and in which order it was made."""
    entries = [("d", folder())] + [(f"d/{letter * 9}", file(letter.encode() * 3000)) for letter in "qwertyuiopasdfgh"]
    with Scratch() as scratch:
        first = folder_from(entries, scratch.path / "first")
        (scratch.path / "far").mkdir()
        second = folder_from(entries[:1] + entries[:0:-1], scratch.path / "far/second-with-a-longer-name")
        os.utime(second / "d", (MTIME, MTIME))
        for kind in FORMATS:
            scratch.make(first, kind)
            image = scratch.bytes()
            time.sleep(1.1)  # the clocks of file systems count seconds
            for name in second.rglob("*"):
                os.chmod(name, name.stat().st_mode)  # changes ctime
            scratch.make(
                second,
                kind,
                env={
                    "PATH": os.environ["PATH"],
                    "TZ": "Asia/Tokyo",
                    "LC_ALL": "C",
                    "HOME": "/",
                    "MKE2FS_CONFIG": "/nonexistent",
                    "E2FSPROGS_FAKE_TIME": "77",
                },
                umask=0o077,
            )
            expect(scratch.bytes() == image, f"two {kind} images of the same tree differ")


@case(needs_kvm=False, unsanitized="it compares bytes that the cases above have made, too")
def the_time_of_making_can_be_given():
    with Scratch() as scratch:
        source = scratch.put("a.tar", tar(*TREE))
        for kind in FORMATS:
            for how in ways_to_run():
                scratch.make(source, kind, env={**os.environ, "SOURCE_DATE_EPOCH": "1000000000"}, **how)
                (scratch.path / "out").rename(scratch.path / "dated")
                expect_tree(scratch.make(source, kind, **how), TREE, kind)
                expect(scratch.bytes("dated") != scratch.bytes(), f"SOURCE_DATE_EPOCH is not in the {kind}")
                expect_tree(read_image(scratch.path / "dated", kind, scratch.path), TREE, kind)
                (scratch.path / "out").unlink()
                (scratch.path / "dated").unlink()
        expect_failed(scratch.run(source, env={**os.environ, "SOURCE_DATE_EPOCH": "today"}), "SOURCE_DATE_EPOCH")


@case(needs_kvm=False)
def an_oci_image_is_its_layers_and_its_config():
    lower = tar(
        *TREE,
        ("old", folder()),
        ("old/a", file()),
        ("old/b", file(b"kept")),
        ("old/deep", folder()),
        ("old/deep/c", file()),
        ("opaque", folder()),
        ("opaque/gone", file()),
        ("opaque/sub", folder()),
        ("opaque/sub/gone", file()),
        ("was-file", file()),
        ("was-folder", folder()),
        ("was-folder/x", file()),
        ("was-link", symlink("bin")),
        ("usr", folder()),
        ("usr/lib", folder()),
    )
    middle = tar(
        ("old", folder(mode=0o700)),
        ("old/.wh.a", file(b"")),
        (".wh.empty", file(b"")),
        ("old/.wh.deep", file(b"")),
        ("opaque/new", file(b"new")),
        ("opaque/sub", folder()),
        ("opaque/sub/new", file(b"new")),
        ("opaque/.wh..wh..opq", file(b"")),
        (".wh..wh.plnk", file(b"")),
        (".wh.not-there", file(b"")),
        ("was-file", folder()),
        ("was-file/y", file()),
        ("was-folder", file(b"now a file")),
        ("was-link", folder()),
        ("was-link/z", file()),
        ("lib/through", file(b"a link")),
    )
    upper = tar(
        ("bin/linked", hard_link("bin/su")), ("again", file(b"1")), ("again", file(b"2")), (".wh.again", file(b""))
    )
    wanted = dict(TREE)
    del wanted["empty"]
    wanted |= {
        "old": folder(mode=0o700),
        "old/b": file(b"kept"),
        "opaque": folder(),
        "opaque/new": file(b"new"),
        "opaque/sub": folder(),
        "opaque/sub/new": file(b"new"),
        "was-file": folder(),
        "was-file/y": file(),
        "was-folder": file(b"now a file"),
        "was-link": folder(),
        "was-link/z": file(),
        "usr": folder(),
        "usr/lib": folder(),
        "usr/lib/through": file(b"a link"),
        "bin/linked": hard_link("bin/su"),
        "again": file(b"2"),
        ".mayfly": folder(mtime=0),
        ".mayfly/config": file(CONFIG_FILE, mtime=0),
    }
    with Scratch() as scratch:
        layout = Layout(scratch.path / "oci")
        layers = [(lower, ""), (gzip.compress(middle), "gzip"), (zstd(upper), "zstd")]
        inner = layout.document(
            {
                "manifests": [
                    layout.manifest(
                        [(tar(), "")], architecture="arm64", platform={"os": "linux", "architecture": "arm64"}
                    ),
                    layout.manifest(layers, CONFIG, platform={"os": "linux", "architecture": "amd64"}),
                    layout.manifest([], platform={"os": "unknown", "architecture": "unknown"}),
                ]
            },
            "index",
            **named("two"),
        )
        layout.index(layout.manifest([(tar(("one", file())), "")], **named("one")), inner)
        for kind in FORMATS:
            for how in ways_to_run():
                found = scratch.make(f"oci:{layout.path}:two", kind, **how)
                expect_tree(found, list(wanted.items()), kind)
                expect(
                    same_inode(scratch.path / "out", kind, found, "bin/linked", "bin/su"), "a hard link across layers"
                )
                (scratch.path / "out").unlink()
        expect_equal(sorted(scratch.make(f"oci:{layout.path}:one")), [".", "one"], "names of the other image")
        expect_failed(scratch.run(f"oci:{layout.path}"), "several", "TAG")
        expect_failed(scratch.run(f"oci:{layout.path}:three"), "tag")


@case(needs_kvm=False)
def what_docker_saves_is_recognised():
    layers = [tar(*TREE), tar((".wh.empty", file(b"")), ("bin/new", file()))]
    wanted = {**dict(TREE), "bin/new": file(), ".mayfly": folder(mtime=0), ".mayfly/config": file(CONFIG_FILE, mtime=0)}
    del wanted["empty"]
    with Scratch() as scratch:
        archive = scratch.put("saved.tar", docker_archive(layers, CONFIG))
        for how in ways_to_run():
            expect_tree(scratch.make(archive, "squashfs", **how), list(wanted.items()), "squashfs")
            image = scratch.bytes()
            scratch.make(f"docker-archive:{archive}", "squashfs", **how)
            expect(scratch.bytes() == image, "another image with the prefix")
            scratch.make("-", "squashfs", stdin=gzip.compress(docker_archive(layers, CONFIG, compressed=True)), **how)
            expect(scratch.bytes() == image, "another image from stdin, compressed")
            (scratch.path / "out").unlink()
        # A tree that happens to have such a name is a tree.
        source = scratch.put("a.tar", tar(("manifest.json", file(b'{"name": "a web page"}'))))
        expect_equal(sorted(scratch.make(source)), [".", "manifest.json"], "names")
        expect_failed(scratch.run(f"docker-archive:{source}"), "manifest.json")


@case(needs_kvm=False)
def what_docker_saved_of_old_is_recognised():
    lower, upper = tar(*TREE), tar((".wh.empty", file(b"")), ("bin/new", file()))
    with Scratch() as scratch:
        scratch.make(scratch.put("new.tar", docker_archive([lower, upper], CONFIG)), "squashfs")
        wanted = scratch.bytes()
        saved = old_docker_archive([lower, b"", upper], CONFIG)
        for how in ways_to_run():
            scratch.make(scratch.put("old.tar", saved), "squashfs", **how)
            expect(scratch.bytes() == wanted, "another image of the old form")
            scratch.make("-", "squashfs", stdin=gzip.compress(saved), **how)
            expect(scratch.bytes() == wanted, "another image from stdin")
            (scratch.path / "out").unlink()
        circle = saved.replace(b'"parent": "' + f"{1:064x}".encode(), b'"parent": "' + f"{2:064x}".encode())
        expect_failed(scratch.run(scratch.put("a", circle)), "circle")
        lost = saved.replace(b'"parent": "' + f"{1:064x}".encode(), b'"parent": "' + f"{9:064x}".encode())
        expect_failed(scratch.run(scratch.put("a", lost)), "9/json", "No such file")
        two = saved.replace(f'"v1": "{3:064x}'.encode(), f'"v1": "{2:064x}'.encode())
        expect_failed(scratch.run(scratch.put("a", two)), "several")


@case(needs_kvm=False)
def layers_of_no_bytes_are_empty():
    with Scratch() as scratch:
        layout = Layout(scratch.path / "oci")
        layout.index(layout.manifest([(b"", ""), (tar(*TREE), ""), (gzip.compress(b""), "gzip")]))
        for how in ways_to_run():
            expect_tree(scratch.make(f"oci:{layout.path}", **how), TREE, "erofs")
            (scratch.path / "out").unlink()
        found = scratch.make(scratch.put("a.tar", docker_archive([b"", tar(*TREE), b""], {})), "squashfs")
        expect_tree(found, TREE, "squashfs")


@case(needs_kvm=False)
def of_several_variants_the_oldest_is_taken():
    with Scratch() as scratch:
        layout = Layout(scratch.path / "oci")

        def variant(name, **more):
            platform = {"os": "linux", "architecture": "amd64", **({"variant": name} if name else {})}
            return layout.manifest([(tar((f"is-{name}", file())), "")], platform=platform, **more)

        attestation = layout.manifest(
            [(tar(("attestation", file())), "")],
            platform={"os": "unknown", "architecture": "unknown"},
            annotations={"vnd.docker.reference.type": "attestation-manifest"},
        )
        for names, taken in [(("v3", "v1", "v2"), "v1"), (("v2", "v3"), "v2"), (("v3", ""), ""), (("v2", "v2"), "v2")]:
            manifests = [attestation, *[variant(name) for name in names], attestation]
            layout.index(*manifests)
            expect_equal(sorted(scratch.make(f"oci:{layout.path}")), [".", f"is-{taken}"], f"of {names}, in the index")
            inner = layout.document({"manifests": manifests}, "index")
            layout.index(layout.document({"manifests": [inner]}, "index"))
            expect_equal(sorted(scratch.make(f"oci:{layout.path}")), [".", f"is-{taken}"], f"of {names}, nested")
        # Container tools take the first of those that fit as well.
        twice = [variant("v1", annotations={"first": "yes"}), variant("")]
        layout.index(layout.document({"manifests": twice}, "index"))
        expect_equal(sorted(scratch.make(f"oci:{layout.path}")), [".", "is-v1"], "of two that fit")
        layout.index(attestation)
        expect_failed(scratch.run(f"oci:{layout.path}"), "linux/amd64")


@case(needs_kvm=False)
def a_folder_of_blobs_is_the_image():
    with Scratch() as scratch:
        layout = Layout(scratch.path / "oci")
        layout.image(tar(*TREE), config=CONFIG)
        expect("blobs" not in scratch.make(layout.path), "no blobs")
        wanted = scratch.bytes()
        scratch.make(f"oci:{layout.path}")
        expect(scratch.bytes() == wanted, "another image with the prefix")
        layout.index(layout.manifest([(tar(), "")], **named("a")), layout.manifest([(tar(*TREE), "")], **named("b")))
        expect_failed(scratch.run(layout.path), "several", "oci:FOLDER:TAG")
        saved = scratch.path / "saved"
        saved.mkdir()
        with tarfile.open(fileobj=io.BytesIO(docker_archive([tar(*TREE)], CONFIG))) as archive:
            archive.extractall(saved)
        for how in ways_to_run():
            scratch.make(saved, **how)
            expect(scratch.bytes() == wanted, "another image of an unpacked docker save")
            (scratch.path / "out").unlink()
        expect_failed(
            scratch.run(folder_from([("version", file(b"Directory Transport Version: 1.1\n"))], scratch.path / "dir")),
            "dir:",
            "oci:",
        )


@case(needs_kvm=False)
def an_archive_of_an_oci_layout_is_recognised():
    with Scratch() as scratch:
        layout = Layout(scratch.path / "oci")
        layout.image(tar(*TREE))
        run = subprocess.run(["tar", "-cf", "-", "-C", str(layout.path), "."], check=True, capture_output=True)
        expect_tree(scratch.make(scratch.put("a.tar", run.stdout)), TREE, "erofs")


@case(needs_kvm=False)
def a_config_that_a_tree_has_stays():
    entries = [(".mayfly", folder()), (".mayfly/config", file(b"arg=/mine\0"))]
    with Scratch() as scratch:
        expect_tree(scratch.make(scratch.put("a.tar", tar(*entries))), entries, "erofs")
        layout = Layout(scratch.path / "oci")
        found = scratch.make(layout.image(tar((".mayfly", symlink("/etc"))), config={"Cmd": ["/theirs"]}))
        expect_equal(found[".mayfly/config"].content, b"arg=/theirs\0", "the config")
        expect_equal((found[".mayfly/config"].mode, found[".mayfly"].mode), (0o644, 0o755), "its permissions")


@case(needs_kvm=False)
def strange_names_stay_as_they_are():
    """Names are bytes. The two u with dots are two names; a Kelvin sign is no K."""
    names = ["a\nb", "a\tb", "\udcff\udcfe", " ", "-rf", "*", "\\x", '"', "n" * 254, "日本", "ü", "u\u0308", "\u212a"]
    owner = (os.geteuid(), os.getegid())
    entries = [(name, file(name.encode(errors="surrogateescape"), owner=owner)) for name in names]
    entries += [("links", folder(owner=owner)), ("links/hard", hard_link("\udcff\udcfe"))]
    entries += [("links/soft", symlink("\udcfe\u0308" + "n" * 120, owner=owner))]
    with Scratch() as scratch:
        archives = [tar(*entries, layout=layout) for layout in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)]
        source = folder_from(entries, scratch.path / "tree")
        # GNU tar says of no name that it is not UTF-8.
        posix = ["tar", "-c", "--format=posix", "-C", str(source), "."]
        archives.append(subprocess.run(posix, check=True, capture_output=True).stdout)
        for archive in archives:
            for how in ways_to_run():
                for kind in ("erofs", "squashfs"):
                    expect_tree(scratch.make(scratch.put("a.tar", archive), kind, **how), entries, kind)
                (scratch.path / "out").unlink()
        layout = Layout(scratch.path / "oci")
        upper = tar((".wh.\udcff\udcfe", file(b"")), (".wh.ü", file(b"")), (".wh." + "n" * 254, file(b"")))
        left = sorted(set(names) - {"\udcff\udcfe", "ü", "n" * 254} | {"links", "links/hard", "links/soft", "."})
        for lower in archives:
            expect_equal(sorted(scratch.make(layout.image(lower, upper), "squashfs")), left, "names beside whiteouts")


@case(needs_kvm=False)
def names_may_look_like_flags():
    with Scratch() as scratch:
        source = folder_from([("-flag", folder())], scratch.path / "-tree")
        result = subprocess.run(
            [image_program(), "--", "-tree", "-out"], cwd=scratch.path, capture_output=True, check=False
        )
        expect_equal((result.returncode, result.stderr), (0, b""), "a folder with a name like a flag")
        expect(source.is_dir() and (scratch.path / "-out").is_file(), "an image with a name like a flag")


@case(needs_kvm=False)
def nothing_leads_out_of_the_tree():
    with Scratch() as scratch:
        victim = scratch.path / "victim"
        victim.mkdir(mode=0o777)
        victim.chmod(0o777)
        (victim / "file").write_bytes(b"mine")
        up = "../" * 12
        layout = Layout(scratch.path / "oci")
        lower = tar(("abs", symlink(str(victim))), ("up", symlink(up + str(victim)[1:])), ("dots", symlink("../../..")))
        upper = tar(
            ("abs/.wh.file", file()),
            ("up/.wh.file", file()),
            ("up/.wh..wh..opq", file()),
            ("dots/planted", file()),
            (f"//{victim}/absolute", file(b"inside")),
            ("/proc/self/root/x", file()),
        )
        for how in ways_to_run():
            found = scratch.make(layout.image(lower, upper), **how)
            expect("planted" in found, "a link above the root leads to the root")
            expect_equal(found[f"{victim}/absolute"[1:]].content, b"inside", "an absolute path")
            expect_equal((victim / "file").read_bytes(), b"mine", "a file outside")
            expect_equal(os.listdir(victim), ["file"], "the folder outside")
            (scratch.path / "out").unlink()


@case(needs_kvm=False, when="usual")
def hostile_archives_are_refused():
    refused([("../x", file())], "../x", "..")
    refused([("a/../../x", file())], "..")
    refused([("x", hard_link("../../../../etc/passwd"))], "x", "..")
    refused([("x", hard_link("/etc/passwd"))], "hard link", "not in the archive")
    refused([("d", folder()), ("x", hard_link("d"))], "hard link", "folder")
    refused([("a", symlink("nowhere")), ("a/b", file())], "a/b", "to nothing")
    refused([("a", symlink("b")), ("b", symlink("a")), ("a/x", file())], "a/x")
    refused([("a", file()), ("a/b", file())], "a/b", "Not a directory")
    refused([(".", file())], "whole image")
    refused([("n" * 256, file())], "too long")
    refused([("d/" * 2040 + "x", file())], "too long")
    refused([("x", Node("char", device=(5000, 1)))], "x", "Linux has no such number")
    chain = []  # of links, each to a folder further down: deeper than a path can say
    for number in range(30):
        target = f"l{number - 1}/" + "d" * 200 if number else "."
        chain += [(f"l{number}", symlink(target)), (f"l{number}/" + "d" * 200, folder())]
    refused(chain, "too long")


@case(needs_kvm=False)
def entries_replace_those_before():
    entries = [
        ("a", file(b"first")),
        ("a", file(b"second")),
        ("l", hard_link("a")),
        ("a", file(b"third")),
        ("l", hard_link("l")),
        ("d", folder()),
        ("d/x", file()),
        ("d", symlink("a")),
        ("d", folder()),
        ("p", Node("fifo")),
        ("p", file(b"p")),
    ]
    with Scratch() as scratch:
        for how in ways_to_run():
            found = scratch.make(scratch.put("a.tar", tar(*entries)), **how)
            expect_equal(
                {name: node.content for name, node in found.items() if name != "."},
                {"a": b"third", "l": b"second", "d": b"", "p": b"p"},
                "contents",
            )
            expect_equal(found["d"].kind, "folder", "d")
            (scratch.path / "out").unlink()


@case(needs_kvm=False)
def bombs_are_refused():
    with Scratch() as scratch:
        free = os.statvfs(scratch.path)
        size = free.f_bavail * free.f_frsize
        header = tarfile.TarInfo("zeros")
        header.size = size
        source = scratch.put("bomb.tar", header.tobuf(tarfile.GNU_FORMAT) + bytes(1 << 20))
        expect_failed(scratch.run(source), "zeros", "half of what is free")
        sparse = io.BytesIO()  # GNU sparse 1.0: a hole of the size, in a kilobyte
        info = tarfile.TarInfo("GNUSparseFile.0/hole")
        info.pax_headers = {
            "GNU.sparse.major": "1",
            "GNU.sparse.minor": "0",
            "GNU.sparse.name": "hole",
            "GNU.sparse.realsize": str(size),
        }
        content = b"0\n".ljust(512, b"\0")
        info.size = len(content)
        with tarfile.open(fileobj=sparse, mode="w", format=tarfile.PAX_FORMAT) as archive:
            archive.addfile(info, io.BytesIO(content))
        expect_failed(scratch.run(scratch.put("bomb.tar", sparse.getvalue())), "hole", "half of what is free")
        expect_equal(os.listdir(scratch.path), ["bomb.tar"], "left over")


@case(needs_kvm=False)
def broken_images_are_refused():
    with Scratch() as scratch:
        expect_failed(scratch.run(scratch.put("a", b"")), "a: tar")
        expect_failed(scratch.run(scratch.put("a", os.urandom(5000))), "a: tar")
        expect_failed(scratch.run(scratch.put("a", tar(*TREE)[:4000])), "a")
        expect_failed(scratch.run(scratch.put("a", gzip.compress(tar(*TREE))[:300])), "a")
        layout = Layout(scratch.path / "oci")
        source = f"oci:{layout.path}"
        expect_failed(scratch.run(source), "index.json", "No such file")
        for text in (
            "",
            "{",
            "[]",
            "{}",
            '{"manifests": 5}',
            '{"manifests": [{"digest": "sha256:../../x"}]}',
            '{"manifests": [{"digest": "md5:0"}]}',
            "[" * 100000,
            '{"manifests": []}',
            '{"a": "\\u0000"}',
        ):
            (layout.path / "index.json").write_text(text)
            expect_failed(scratch.run(source), "oci")
        for change in ("manifest", "config", "layer"):
            layout.image(tar(*TREE))
            manifest = layout.manifest([(tar(*TREE), "")])
            names = {"manifest": manifest["digest"]}
            document = json.loads(layout.file_of(manifest["digest"]).read_text())
            names |= {"config": document["config"]["digest"], "layer": document["layers"][0]["digest"]}
            with open(layout.file_of(names[change]), "ab") as blob:
                blob.write(b"\n")
            expect_failed(scratch.run(source), names[change].split(":")[1], "SHA-256")
        layout.index(layout.manifest([(tar(), "")], architecture="arm64"))
        expect_failed(scratch.run(source), "linux/arm64")
        layout.index(layout.manifest([(b"no tar at all" * 100, "")]))
        expect_failed(scratch.run(source), "tar")
        layout.index(
            layout.document(
                {"config": layout.document({}, "config"), "layers": [layout.blob(b"x", "application/wasm")]}, "manifest"
            )
        )
        expect_failed(scratch.run(source), "no image of a file system")
        lost = layout.manifest([(tar(("lost", file())), "")])
        layout.file_of(digest(tar(("lost", file())))).unlink()
        layout.index(lost)
        expect_failed(scratch.run(source), "No such file")
        saved = docker_archive([tar(*TREE)], CONFIG)
        expect_failed(scratch.run(scratch.put("a", saved.replace(b"hello", b"HELLO"))), "layer.tar", "SHA-256")
        expect_equal(sorted(os.listdir(scratch.path)), ["a", "oci"], "left over")


@case(needs_kvm=False)
def a_link_to_a_folder_is_that_folder():
    with Scratch() as scratch:
        entries = [("x", file(b"content"))]
        owned = [("x", file(b"content", owner=(os.geteuid(), os.getegid())))]
        folder_from(entries, scratch.path / "tree")
        (scratch.path / "link").symlink_to("tree")
        for kind in FORMATS:
            expect_tree(scratch.make(scratch.path / "link", kind), owned, kind)
            through_link = scratch.bytes()
            scratch.make(scratch.path / "tree", kind)
            expect(scratch.bytes() == through_link, f"{kind} differs when it is made through the link")


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
