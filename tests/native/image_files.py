"""What the cases of mayfly-image work with: archives and container images made by hand, and images read back by the
tools that belong to their formats."""
import dataclasses
import gzip
import hashlib
import io
import json
import os
import pathlib
import re
import stat
import subprocess
import tarfile

FORMATS = ["erofs", "squashfs", "ext4"]
MTIME = 981173106  # 2001-02-03 04:05:06 UTC


@dataclasses.dataclass
class Node:
    """One name in a tree: what goes into an archive, and what is found in an image."""

    kind: str  # "file", "folder", "symlink", "char", "block", "fifo", "link" (a hard link, archives only)
    mode: int = 0o644
    owner: tuple = (0, 0)
    content: bytes = b""  # of a file
    target: str = ""  # of a link
    device: tuple = (0, 0)
    xattrs: dict = dataclasses.field(default_factory=dict)
    mtime: int = MTIME
    inode: int = dataclasses.field(default=0, compare=False)


def file(content=b"x", **more):
    return Node("file", content=content, **more)


def folder(**more):
    return Node("folder", **{"mode": 0o755, **more})


def symlink(target, **more):
    return Node("symlink", mode=0o777, target=target, **more)


def hard_link(target):
    return Node("link", target=target)


def tar(*entries, layout=tarfile.PAX_FORMAT):
    """An archive of (name, Node) pairs, in this order."""
    kinds = {
        "file": tarfile.REGTYPE,
        "folder": tarfile.DIRTYPE,
        "symlink": tarfile.SYMTYPE,
        "char": tarfile.CHRTYPE,
        "block": tarfile.BLKTYPE,
        "fifo": tarfile.FIFOTYPE,
        "link": tarfile.LNKTYPE,
    }
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=layout, errors="surrogateescape") as archive:
        for name, node in entries:
            info = tarfile.TarInfo(name)
            info.type, info.mode, info.mtime = kinds[node.kind], node.mode, node.mtime
            info.uid, info.gid = node.owner
            info.linkname, info.size = node.target, len(node.content)
            info.devmajor, info.devminor = node.device
            info.pax_headers = {f"SCHILY.xattr.{key}": value for key, value in node.xattrs.items()}
            archive.addfile(info, io.BytesIO(node.content))
    return out.getvalue()


def zstd(data):
    return subprocess.run(["zstd", "-qc"], input=data, capture_output=True, check=True).stdout


def digest(data):
    return "sha256:" + hashlib.sha256(data).hexdigest()


class Layout:
    """An OCI image layout in a folder. `blob` and `index` write to it; `image` does all of it."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        (self.path / "blobs/sha256").mkdir(parents=True)
        (self.path / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')

    def blob(self, data, media_type, **more):
        name = digest(data)
        self.file_of(name).write_bytes(data)
        return {"mediaType": media_type, "digest": name, "size": len(data), **more}

    def file_of(self, name):
        return self.path / "blobs/sha256" / name.split(":")[1]

    def document(self, content, kind, **more):
        return self.blob(json.dumps(content).encode(), f"application/vnd.oci.image.{kind}.v1+json", **more)

    def manifest(self, layers, config=None, architecture="amd64", **more):
        """`layers`: pairs of a blob and its compression: "", "gzip", "zstd"."""
        described = [
            self.blob(data, "application/vnd.oci.image.layer.v1.tar" + (how and "+" + how)) for data, how in layers
        ]
        settings = {
            "architecture": architecture,
            "os": "linux",
            "config": config or {},
            "rootfs": {"type": "layers", "diff_ids": [layer["digest"] for layer in described]},
        }
        return self.document(
            {"schemaVersion": 2, "config": self.document(settings, "config"), "layers": described}, "manifest", **more
        )

    def index(self, *descriptors):
        (self.path / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": descriptors}))

    def image(self, *layers, config=None):
        self.index(self.manifest([(layer, "") for layer in layers], config))
        return f"oci:{self.path}"


def named(tag):
    return {"annotations": {"org.opencontainers.image.ref.name": tag}}


def docker_archive(layers, config, compressed=False):
    """What `docker save` writes: the layers, the configuration, and at the very end the manifest."""
    settings = json.dumps(
        {
            "architecture": "amd64",
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [digest(layer) for layer in layers]},
        }
    ).encode()
    name = hashlib.sha256(settings).hexdigest() + ".json"
    paths = [f"{number:064x}/layer.tar" for number in range(len(layers))]
    manifest = [{"Config": name, "RepoTags": ["test:latest"], "Layers": paths}]
    entries = [(path, file(gzip.compress(layer) if compressed else layer)) for path, layer in zip(paths, layers)]
    return tar(*entries, (name, file(settings)), ("manifest.json", file(json.dumps(manifest).encode())))


def old_docker_archive(layers, config):
    """... and wrote before Docker 1.10: a folder a layer, each leading to the one below."""
    ids = [f"{number + 1:064x}" for number in range(len(layers))]
    entries = []
    for number, layer in enumerate(layers):
        document = {"id": ids[number], "os": "linux", "architecture": "amd64", "config": config}
        if number:
            document["parent"] = ids[number - 1]
        entries += [(ids[number], folder()), (f"{ids[number]}/VERSION", file(b"1.0"))]
        entries += [(f"{ids[number]}/json", file(json.dumps(document).encode()))]
        entries += [(f"{ids[number]}/layer.tar", file(layer))]
    entries.reverse()
    names = {"test": {"latest": ids[-1], "v1": ids[-1]}}
    return tar(*entries, ("repositories", file(json.dumps(names).encode())))


# Runs under fakeroot, as the files' owners and devices do: prints every name of a folder as a Node.
WALK = """
import os, stat, sys
KINDS = {stat.S_IFREG: "file", stat.S_IFDIR: "folder", stat.S_IFLNK: "symlink", stat.S_IFCHR: "char",
         stat.S_IFBLK: "block", stat.S_IFIFO: "fifo"}
top, found = os.fsencode(sys.argv[1]), {}
paths = [top] + [os.path.join(base, name) for base, folders, files in os.walk(top) for name in folders + files]
for path in paths:
    s = os.lstat(path)
    kind = KINDS[stat.S_IFMT(s.st_mode)]
    is_device = kind in ("char", "block")
    found[os.path.relpath(path, top)] = (
        kind, stat.S_IMODE(s.st_mode), (s.st_uid, s.st_gid), open(path, "rb").read() if kind == "file" else b"",
        os.readlink(os.fsdecode(path)) if kind == "symlink" else "",
        (os.major(s.st_rdev), os.minor(s.st_rdev)) if is_device else (0, 0),
        {key: os.getxattr(path, key, follow_symlinks=False) for key in os.listxattr(path, follow_symlinks=False)},
        int(s.st_mtime), s.st_ino)
print(repr(found))
"""


def run(*command, **more):
    # What it says on stderr is beside the exception that it ends with.
    return subprocess.run(
        command, check=True, stdout=subprocess.PIPE, env={**os.environ, "TZ": "UTC", "LC_ALL": "C.UTF-8"}, **more
    ).stdout


def read_extracted(image, scratch, *extract):
    target = pathlib.Path(scratch) / "extracted"
    run("rm", "-rf", str(target))
    script = 'top=$1; shift; walk=$1; shift; "$@" >&2 && exec python3 -c "$walk" "$top"'
    out = run(
        "fakeroot",
        "--",
        "sh",
        "-c",
        script,
        "sh",
        str(target),
        WALK,
        *[part.format(image=image, to=target) for part in extract],
    )
    run("rm", "-rf", str(target))
    return {os.fsdecode(name): Node(*node) for name, node in eval(out).items()}  # of our own script


def debugfs(image, request):
    return run("/sbin/debugfs", "-R", request, str(image))


def read_ext4(image):
    """By debugfs, inode by inode."""
    run("/sbin/e2fsck", "-fn", str(image))
    found, folders = {".": read_ext4_inode(image, 2)}, [("", 2)]
    while folders:
        path, number = folders.pop()
        for line in debugfs(image, f"ls -p <{number}>").decode(errors="surrogateescape").splitlines():
            parts = line.split("/")
            if len(parts) < 8 or parts[5] in (".", "..", "lost+found"):
                continue
            name = os.path.join(path, parts[5])
            found[name] = read_ext4_inode(image, int(parts[1]))
            if found[name].kind == "folder":
                folders.append((name, int(parts[1])))
    return found


def read_ext4_inode(image, number):
    text = debugfs(image, f"stat <{number}>").decode(errors="surrogateescape")
    kind = {
        "regular": "file",
        "directory": "folder",
        "character special": "char",
        "block special": "block",
        "FIFO": "fifo",
        "symlink": "symlink",
    }[re.search(r"Type: (.*?) +Mode", text)[1]]
    device = re.search(r"major/minor number: (\d+):(\d+)", text)
    xattrs = {
        key: debugfs(image, f"ea_get -V <{number}> {key}")[:-1]
        for key in re.findall(r"^  ([\w.]+) \(\d+\)", text, re.M)
    }
    target = re.search(r'^Fast link dest: "(.*)"', text, re.M)
    if kind == "symlink" and not target:
        target = [None, debugfs(image, f"cat <{number}>").decode()]
    return Node(
        kind,
        int(re.search(r"Mode: +(\d+)", text)[1], 8),
        tuple(int(found) for found in re.search(r"User: +(\d+) +Group: +(\d+)", text).groups()),
        debugfs(image, f"cat <{number}>") if kind == "file" else b"",
        target[1] if target else "",
        (int(device[1]), int(device[2])) if device else (0, 0),
        xattrs,
        int(re.search(r"^ *mtime: 0x([0-9a-f]+)", text, re.M)[1], 16),
        number,
    )


def read_image(image, kind, scratch):
    """{path: Node}; "." is the root. An erofs' extended attributes are left out: no tool shows them."""
    if kind == "ext4":
        return read_ext4(image)
    if kind == "squashfs":
        return read_extracted(image, scratch, "unsquashfs", "-d", "{to}", "{image}")
    return read_extracted(image, scratch, "fsck.erofs", "--extract={to}", "--preserve", "{image}")


def same_inode(image, kind, tree, *names):
    """Whether they are one file. fsck.erofs extracts hard links as copies, but dump.erofs numbers inodes."""
    if kind != "erofs":
        return len({tree[name].inode for name in names}) == 1
    return len({re.search(rb"NID: (\d+)", run("dump.erofs", f"--path=/{name}", str(image)))[1] for name in names}) == 1


def folder_from(entries, path):
    """A folder of the same (name, Node) pairs; the owner is who runs the tests."""
    top = pathlib.Path(path)
    top.mkdir()
    for name, node in entries:
        it = top / name
        if node.kind == "folder":
            it.mkdir()
        elif node.kind == "file":
            it.write_bytes(node.content)
        elif node.kind == "symlink":
            it.symlink_to(node.target)
        elif node.kind == "link":
            os.link(top / node.target, it)
        elif node.kind == "fifo":
            os.mkfifo(it)
    for name, node in reversed(entries):
        if node.kind not in ("symlink", "link"):
            os.chmod(top / name, stat.S_IMODE(node.mode))
        os.utime(top / name, (node.mtime, node.mtime), follow_symlinks=False)
    os.utime(top, (MTIME, MTIME))
    return top
