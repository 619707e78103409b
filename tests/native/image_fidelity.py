"""What images of each format keep of a tree, by the table in docs/images.md: mounted, and compared with the tree. What a
format would lose is refused, by name."""
import contextlib
import os
import socket
import struct
import subprocess
import tarfile
import tempfile

from image_files import FORMATS, file, folder, folder_from, symlink, tar
from image_tool import ONE_THREAD, Scratch, expect_failed, nobody
from kit import Skipped, case, expect, expect_equal

UNSANITIZED = ONE_THREAD
NONE = 0xFFFFFFFF


def access_list(*entries):
    """As Linux has it: (tag, permissions, id)."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


ACL = access_list((1, 6, NONE), (2, 4, 1234), (4, 4, NONE), (16, 4, NONE), (32, 0, NONE))


@contextlib.contextmanager
def mounted(image, scratch):
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        raise Skipped("to mount an image needs root and loop devices")
    at = scratch.path / "mounted"
    at.mkdir(exist_ok=True)
    done = subprocess.run(["mount", "-o", "ro,loop", str(image), str(at)], capture_output=True, check=False)
    if done.returncode != 0:
        raise Skipped(f"the host's kernel does not mount it: {done.stderr.decode()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", str(at)], check=True)


def xattrs_of(path):
    try:
        return {
            name: os.getxattr(path, name, follow_symlinks=False) for name in os.listxattr(path, follow_symlinks=False)
        }
    except OSError:  # a file system that has none
        return {}


def facts(top):
    """{name: all that lstat and the extended attributes say}, content too, but how a folder is stored."""
    found = {}
    for base, folders, files in os.walk(os.fsencode(top)):
        for path in [base] + [os.path.join(base, name) for name in folders + files]:
            status = os.lstat(path)
            is_folder = os.path.isdir(path) and not os.path.islink(path)
            content = b""
            if os.path.isfile(path) and not os.path.islink(path) and status.st_size < 1 << 20:
                with open(path, "rb") as opened:
                    content = opened.read()
            found[os.path.relpath(path, os.fsencode(top))] = {
                "mode": oct(status.st_mode),
                "owner": (status.st_uid, status.st_gid),
                "time": status.st_mtime_ns,
                "links": status.st_nlink,
                "size": 0 if is_folder else status.st_size,
                "device": status.st_rdev,
                "target": os.readlink(path) if os.path.islink(path) else b"",
                "content": content,
                "xattrs": xattrs_of(path),
            }
    found.pop(b"lost+found", None)
    return found


def set_time(path, nanoseconds):
    os.utime(path, ns=(nanoseconds, nanoseconds), follow_symlinks=False)


def expect_kept(scratch, source, kind, wanted, changed=lambda fact: fact):
    result = scratch.run(source, "--format", kind)
    expect_equal((result.returncode, result.stderr), (0, b""), f"{kind} of {source}")
    if kind == "ext4":
        subprocess.run(["/sbin/e2fsck", "-fn", str(scratch.path / "out")], check=True, capture_output=True)
    with mounted(scratch.path / "out", scratch) as at:
        found = facts(at)
    if kind == "ext4":  # lost+found is a folder in the root
        found[b"."]["links"] -= 1
    expect_equal(sorted(found), sorted(wanted), f"names in the {kind}")
    for name, fact in wanted.items():
        expect_equal(found[name], changed(dict(fact)), f"{name!r} in the {kind}")


def a_tree_of_everything(scratch):
    top = folder_from(
        [
            ("f", file(b"content")),
            ("f\udcff", file()),
            ("u\u0308", file()),
            ("ü", file()),
            ("n" * 254, file()),
            ("setuid", file(mode=0o6755)),
            ("s", symlink("\udcfe" * 100)),
            ("d", folder(mode=0o3777)),
            ("d/x", file()),
            ("p", file()),
            ("large", file()),
        ],
        scratch.path / "tree",
    )
    os.link(top / "f", top / "d/hard")
    with socket.socket(socket.AF_UNIX) as unix:
        unix.bind(str(top / "socket"))
    os.mkfifo(top / "fifo")
    os.truncate(top / "large", (4 << 30) + 5)
    for number, owner in enumerate((65536, 70000, 3_000_000_000, 2**32 - 2)):
        (top / f"owner{number}").write_bytes(b"")
        os.chown(top / f"owner{number}", owner, owner - 1)
    os.mknod(top / "char", 0o20600, os.makedev(4095, (1 << 20) - 1))
    os.mknod(top / "block", 0o60600, os.makedev(8, 300))
    for name, value in {"user.a": b"b", "user.\udcff": b"", "trusted.t": b"t", "user.long": b"v" * 3000}.items():
        os.setxattr(top / "f", name, value)
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(top / "p", "security.capability", capability)
    for path in [top, *top.rglob("*")]:
        set_time(path, 2**31 * 10**9 + 10**9)  # 2038
    return top


@case(needs_kvm=False, when="usual")
def each_format_keeps_what_the_table_says():
    if os.geteuid() != 0:
        raise Skipped("owners and device nodes need root")
    with Scratch() as scratch:
        top = a_tree_of_everything(scratch)
        for kind in ("squashfs", "ext4"):
            expect_kept(scratch, top, kind, facts(top))
        expect((scratch.path / "out").stat().st_blocks * 512 < 1 << 30, "holes are holes in the ext4")
        os.truncate(top / "large", 1 << 20)
        set_time(top / "large", 1)
        expect_kept(scratch, top, "erofs", facts(top))
        expect_kept(scratch, top, "ext4", facts(top))
        whole = lambda fact: {**fact, "time": fact["time"] // 10**9 * 10**9}
        expect_kept(scratch, top, "squashfs", facts(top), whole)
        os.setxattr(top / "f", "system.posix_acl_access", ACL)
        os.setxattr(top / "d", "system.posix_acl_default", ACL)
        for seconds in (-(2**31), -1, 2**31, 2**32, 2**34 - 2**31 - 1):
            set_time(top / "d", seconds * 10**9 + 999_999_999)
            for kind in ("erofs", "ext4"):
                expect_kept(scratch, top, kind, facts(top))
        set_time(top / "d", 2**40 * 10**6)
        expect_kept(scratch, top, "erofs", facts(top))


@case(needs_kvm=False)
def access_lists_of_archives_are_kept():
    """GNU tar and star write them in words."""
    words = {"SCHILY.acl.access": "user::rw-,user:1234:r--,group::r--,mask::r--,other::---"}
    with Scratch() as scratch:
        with tarfile.open(scratch.path / "a.tar", "w", format=tarfile.PAX_FORMAT, pax_headers={}) as archive:
            info = tarfile.TarInfo("f")
            info.mode, info.pax_headers = 0o640, words
            archive.addfile(info)
        for kind in ("erofs", "ext4"):
            for how in [{}, {"preexec_fn": nobody}] if os.geteuid() == 0 else [{}]:
                (scratch.path / "out").unlink(missing_ok=True)
                expect_equal(scratch.run(scratch.path / "a.tar", "--format", kind, **how).returncode, 0, "status")
                with mounted(scratch.path / "out", scratch) as at:
                    expect_equal(xattrs_of(at / "f"), {"system.posix_acl_access": ACL}, f"in the {kind}")


@case(needs_kvm=False)
def what_a_format_would_lose_is_refused():
    with Scratch() as scratch:
        top = folder_from([("d", folder()), ("d/x", file()), ("d/y", file())], scratch.path / "tree")
        victim = top / "d/x"
        for kind, seconds, other in [
            ("squashfs", -1, "--format erofs"),
            ("squashfs", 2**32, "--format erofs"),
            ("ext4", -(2**31) - 1, "--format erofs"),
            ("ext4", 2**34 - 2**31, "--format erofs"),
        ]:
            try:
                set_time(victim, seconds * 10**9)
            except OSError as error:
                raise Skipped("the host's file system has no such times") from error
            if victim.stat().st_mtime_ns == seconds * 10**9:  # or the host's file system has no such time
                expect_failed(scratch.run(top, "--format", kind), "d/x", "time of modification", other)
        set_time(victim, 10**9)
        os.setxattr(victim, "system.posix_acl_access", ACL)
        expect_failed(scratch.run(top, "--format", "squashfs"), "d/x", "access control list", "--format erofs")
        os.removexattr(victim, "system.posix_acl_access")
        os.truncate(victim, 300 << 30)
        expect_failed(scratch.run(top), "d/x", "sparse file", "--format squashfs")
        os.truncate(victim, 0)
        with tempfile.TemporaryDirectory(dir="/dev/shm") as many:  # ext4 has no such folder to begin with
            with open(f"{many}/x", "wb"):
                pass
            for number in range(65000):
                os.link(f"{many}/x", f"{many}/{number}")
            expect_failed(scratch.run(many, "--format", "ext4"), "hard link", "65000", "--format erofs")
            expect_equal(scratch.run(many, "--format", "squashfs").returncode, 0, "status of a squashfs")


@case(needs_kvm=False)
def what_cannot_be_read_is_refused():
    with Scratch() as scratch:
        how = {"preexec_fn": nobody} if os.geteuid() == 0 else {}
        top = folder_from([("d", folder()), ("d/x", file()), ("y", file())], scratch.path / "tree")
        for name, mode in (("y", 0o600), ("d", 0o700)):
            before = (top / name).stat().st_mode
            (top / name).chmod(mode if os.geteuid() == 0 else 0)
            for kind in FORMATS:
                result = scratch.run(top, "--format", kind, **how)
                expect_failed(result, f" {name}: ", "Permission denied")
            expect_equal(os.listdir(scratch.path), ["tree"], "left over")
            (top / name).chmod(before)


@case(needs_kvm=False)
def names_of_the_greatest_length_stay_or_are_named():
    longest = "d/" + "n" * 255
    deep = "/".join(["d" * 200] * 16)
    entries = [("d", folder()), (longest, file())] + [(deep[: 200 + 201 * n], folder()) for n in range(16)]
    entries += [(deep + "/x", file())]
    with Scratch() as scratch:
        for source in (scratch.put("a.tar", tar(*entries)), folder_from(entries, scratch.path / "tree")):
            found = scratch.make(source, "squashfs")
            expect(longest in found and deep + "/x" in found, f"names in the squashfs of {source}")
            expect_equal(scratch.run(source, "--format", "ext4").returncode, 0, "status of ext4")
            expect(b"n" * 255 in scratch.bytes(), "a name in the ext4")
            expect_failed(scratch.run(source), "n" * 50, "255 bytes", "--format squashfs")
        for last, is_kept in ((200, True), (201, False)):  # 4,000 bytes, and one more
            top = scratch.path / f"deep{last}"
            top.mkdir()
            at = os.open(top, os.O_RDONLY)
            for name in ["d" * 199] * 19 + ["e" * last]:
                os.mkdir(name, dir_fd=at)
                inner = os.open(name, os.O_RDONLY, dir_fd=at)
                os.close(at)
                at = inner
            os.close(at)
            for kind in FORMATS:
                result = scratch.run(top, "--format", kind)
                if is_kept:
                    expect_equal((result.returncode, result.stderr), (0, b""), f"{kind} of a deep folder")
                    with mounted(scratch.path / "out", scratch) as image:
                        depth = sum(1 for _ in os.fwalk(image)) - (kind == "ext4")  # lost+found
                    expect_equal(depth, 21, f"folders in the {kind}")
                else:
                    expect_failed(result, "d" * 50, "too long")
