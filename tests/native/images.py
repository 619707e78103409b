"""mayfly-image: images of every format from every source, read back by the tools of the formats; and what it refuses."""
import bz2
import gzip
import io
import lzma
import os
import subprocess
import tarfile
import time

from kit import case, expect, expect_equal
from image_files import (
    FORMATS,
    MTIME,
    Layout,
    Node,
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
from image_tool import ONE_THREAD, TREE, CONFIG, CONFIG_FILE, Scratch, ways_to_run, expect_failed, expect_tree

UNSANITIZED = ONE_THREAD


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
