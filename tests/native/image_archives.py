"""Archives that mayfly-image is given: strange names, hostile ones, bombs and broken ones."""
import gzip
import io
import json
import os
import subprocess
import tarfile

from kit import case, expect, expect_equal
from image_files import (
    FORMATS,
    Layout,
    Node,
    digest,
    docker_archive,
    file,
    folder,
    folder_from,
    hard_link,
    symlink,
    tar,
)
from image_tool import (
    ONE_THREAD,
    TREE,
    CONFIG,
    image_program,
    Scratch,
    ways_to_run,
    expect_failed,
    refused,
    expect_tree,
)

UNSANITIZED = ONE_THREAD


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
