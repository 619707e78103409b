"""virtio-block with a stock Linux: what it reads, writes, flushes and discards, and what is then in the file."""

import hashlib
import os
import re
import subprocess
import time

from checks import check, report_of
from kit import Failed, case

MIB = 1 << 20
INITRD = "initramfs-virtio.cpio"


def sh(*command):
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


def disk_path(t, name):
    """In memory: no case waits for 9p, and holes can be punched."""
    folder = f"/run/nested-disks/{t.name}"
    os.makedirs(folder, exist_ok=True)
    return os.path.join(folder, name)


def random_disk(t, name, size):
    path = disk_path(t, name)
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for start in range(0, size, MIB):
            file.write(block[: size - start])
    return path


def ext4_disk(t, name, size, folder=None):
    path = disk_path(t, name)
    with open(path, "wb") as file:
        file.truncate(size)
    sh(
        "/usr/sbin/mkfs.ext4",
        "-q",
        "-U",
        "1c9d5c4c-3d2f-4a6e-9d3c-0a1b2c3d4e5f",
        *(["-d", folder] if folder else []),
        path,
    )
    return path


def start(t, disks, cmdline="", **more):
    flags = [word for disk in disks for word in ("--disk", disk)]
    guest = t.start("cloud.vmlinux", f"quiet {cmdline}".strip(), initrd=INITRD, stdin="pipe", more=flags, **more)
    report_of(guest)
    guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
    return guest


def file_hash(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while data := file.read(MIB):
            digest.update(data)
    return digest.hexdigest()


def power_off(guest):
    guest.send(b"poweroff -f\n")
    guest.expect_status(0)


def check_quiet(guest):
    """A well-behaved driver gives the monitor nothing to say."""
    check("the monitor's own words", guest.monitor_words(), "")


@case()
def a_block_device_that_cannot_be_written(t):
    """Hosts before Linux 6.5 open it for writing all the same, and then fail each write."""
    t.needs_mayfly("a word on read-only devices")
    disk = random_disk(t, "disk", MIB)
    device = sh("losetup", "--find", "--show", "--read-only", disk).strip()
    try:
        refused = t.start_command([t.monitor, "run", "--disk", device, "--", "quiet"])
        refused.expect_status(125)
        check(
            "what is said of it",
            refused.monitor_words(),
            f"mayfly: {device}: --disk: Read-only file system; cannot be written; let the drive only read (,ro) or make it "
            "writable",
        )
        guest = start(t, [device + ",ro"])
        guest.ask("cat /sys/block/vda/ro", rb"\n1\r*\n")
        power_off(guest)
    finally:
        sh("losetup", "--detach", device)


@case(when="quick")
def disk_root(t):
    """The root file system is ext4 on /dev/vda. What was written there is in the file after a sync."""
    t.needs_mayfly("disks")
    folder = disk_path(t, "root")
    for name in ("bin", "dev", "proc", "sys", "mnt"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    sh("cp", "/bin/busybox", f"{folder}/bin/busybox")
    disk = ext4_disk(t, "root.img", 32 * MIB, folder)
    guest = start(t, [disk])
    guest.ask(
        "mount /dev/vda /tmp && mount --bind /dev /tmp/dev && cp /bin/busybox /tmp/bin/sh && echo mounted-$((40 + 2))",
        rb"mounted-42",
    )
    guest.send(b"exec chroot /tmp /bin/sh\n")
    guest.ask("/bin/busybox seq 1 200000 > /mnt/numbers; /bin/busybox sync; echo wrote-$((40 + 2))", rb"wrote-42", 60)
    found = guest.ask("/bin/busybox sha256sum /mnt/numbers", rb"([0-9a-f]{64})  /mnt/numbers", 60)
    guest.send(b"/bin/busybox poweroff -f\n")
    guest.expect_status(0)
    check_quiet(guest)
    sh("mount", "-o", "loop", disk, "/mnt")
    try:
        outside = file_hash("/mnt/mnt/numbers")
    finally:
        sh("umount", "/mnt")
    wanted = hashlib.sha256("".join(f"{number}\n" for number in range(1, 200001)).encode()).hexdigest()
    check("the file's checksum in the guest", found[1].decode(), wanted)
    check("the file's checksum from outside", outside, wanted)


@case()
def disk_order_and_ids(t):
    """Several disks appear in the order given, with their ids, sizes and contents."""
    t.needs_mayfly("disks")
    disks = [random_disk(t, f"{number}.img", (number + 1) * MIB) for number in range(4)]
    guest = start(t, [f"{disk},id=drive-{number}" for number, disk in enumerate(disks)])
    for number, disk in enumerate(disks):
        name = f"vd{chr(ord('a') + number)}"
        guest.ask(f"echo $(cat /sys/block/{name}/serial)", rb"\ndrive-%d\r*\n" % number)
        guest.ask(f"cat /sys/block/{name}/size", rb"\n%d\r*\n" % ((number + 1) * 2048))
        found = guest.ask(f"sha256sum /dev/{name}", rb"([0-9a-f]{64})  /dev", 60)
        check(f"the checksum of /dev/{name}", found[1].decode(), file_hash(disk))
    power_off(guest)
    check_quiet(guest)


@case()
def disk_read_only(t):
    """A read-only disk is one to the guest, and a driver that writes all the same is refused."""
    t.needs_mayfly("disks")
    disk = random_disk(t, "ro.img", 4 * MIB)
    os.chmod(disk, 0o444)
    before = file_hash(disk)
    guest = start(t, [f"{disk},ro"])
    guest.ask("cat /sys/block/vda/ro", rb"\n1\r*\n")
    guest.ask(
        "dd if=/dev/zero of=/dev/vda bs=4096 count=1 2>&1; echo dd-$((40 + 2))",
        rb"(can't open|Operation not permitted|Read-only).*dd-42",
    )
    power_off(guest)
    check("the disk's checksum", file_hash(disk), before)


@case()
def disk_blkid(t):
    """blkid knows the file system that mkfs made outside."""
    t.needs_mayfly("disks")
    guest = start(t, [ext4_disk(t, "fs.img", 16 * MIB)])
    guest.ask("blkid /dev/vda", rb'UUID="1c9d5c4c-3d2f-4a6e-9d3c-0a1b2c3d4e5f".*TYPE="ext4"')
    power_off(guest)


@case()
def disk_discard(t):
    """A discard gives the file's blocks back, and what was discarded reads as zeroes."""
    t.needs_mayfly("disks")
    disk = random_disk(t, "holes.img", 16 * MIB)
    before = os.stat(disk).st_blocks * 512
    guest = start(t, [disk])
    guest.ask("blkdiscard -o 1048576 -l 8388608 /dev/vda; echo status-$?", rb"status-0")
    guest.ask("dd if=/dev/vda bs=1M skip=1 count=8 2>/dev/null | tr -d '\\0' | wc -c", rb"\n0\r*\n", 60)
    power_off(guest)
    after = os.stat(disk).st_blocks * 512
    if before - after < 8 * MIB - 8192:
        raise Failed(f"8 MiB were discarded, and {before - after} bytes of the file are gone")
    check("the file's size", os.path.getsize(disk), 16 * MIB)


@case()
def disk_large_sectors(t):
    """On a device with sectors of 4 KiB a discard takes what is whole, fstrim works, and zeroes reach every sector."""
    t.needs_mayfly("disks")
    content = random_disk(t, "sectors.img", 16 * MIB)
    device = sh("losetup", "--sector-size", "4096", "--find", "--show", content).strip()
    try:
        guest = start(t, [device])
        guest.ask("blkdiscard -o 512 -l 1048576 /dev/vda; echo status-$?", rb"status-0")
        guest.ask("dd if=/dev/vda bs=512 skip=1 count=7 2>/dev/null | tr -d '\\0' | wc -c", rb"\n3[0-9]{3}\r*\n")
        guest.ask("dd if=/dev/vda bs=4096 skip=1 count=255 2>/dev/null | tr -d '\\0' | wc -c", rb"\n0\r*\n")
        # Blocks of 1 KiB: what is free begins and ends inside of the device's sectors.
        guest.ask("mke2fs -b 1024 /dev/vda >/dev/null && mount -t ext4 /dev/vda /tmp; echo status-$?", rb"status-0", 60)
        guest.ask("seq 1 1000 > /tmp/odd; sync; fstrim /tmp; echo status-$?", rb"status-0", 60)
        guest.ask("echo 3 > /proc/sys/vm/drop_caches; wc -l < /tmp/odd", rb"\n1000\r*\n")
        power_off(guest)
        check_quiet(guest)
    finally:
        sh("losetup", "--detach", device)


@case()
def disk_kill(t):
    """What the guest has synced is in the file when the monitor is killed in the middle of writes."""
    t.needs_mayfly("disks")
    disk = ext4_disk(t, "kill.img", 32 * MIB)
    guest = start(t, [disk])
    guest.ask("mount /dev/vda /tmp && echo mounted-$((40 + 2))", rb"mounted-42")
    # Each number is in a file of its own, synced, before the console tells of it.
    guest.send(
        b"n=0; while :; do n=$((n + 1)); seq $n $((n + 999)) > /tmp/f$n; sync /tmp/f$n || sync; echo synced-$n; done\n"
    )
    guest.expect(rb"synced-20\r*\n", 60)
    guest.process.kill()
    guest.finish(10)
    synced = max(int(number) for number in re.findall(rb"synced-(\d+)\r*\n", bytes(guest.buffer)))
    sh("mount", "-o", "loop", disk, "/mnt")  # replays the journal
    try:
        for number in range(1, synced + 1):
            with open(f"/mnt/f{number}", encoding="ascii") as file:
                lines = file.read().split()
            if lines != [str(line) for line in range(number, number + 1000)]:
                raise Failed(f"file {number} of {synced} synced ones has {len(lines)} lines, or wrong ones")
    finally:
        sh("umount", "/mnt")


@case()
def disk_reset_under_load(t):
    """The driver is unbound and bound while it reads; afterwards all is as before."""
    t.needs_mayfly("disks")
    disk = random_disk(t, "hot.img", 16 * MIB)
    other = random_disk(t, "other.img", MIB)
    guest = start(t, [disk, other])
    device = "$(basename $(readlink -f /sys/block/vda/device))"
    for _ in range(3):
        guest.send(
            b"d=%s; (while dd if=/dev/vda of=/dev/null bs=64k iflag=direct 2>/dev/null; do :; done) & sleep 0.3\n"
            % device.encode()
        )
        guest.ask("echo $d > /sys/bus/virtio/drivers/virtio_blk/unbind; echo unbound-$?", rb"unbound-0", 60)
        guest.ask("sha256sum /dev/vdb | wc -l", rb"\n1\r*\n", 60)
        guest.ask("wait; echo $d > /sys/bus/virtio/drivers/virtio_blk/bind; echo bound-$?", rb"bound-0", 60)
    found = guest.ask("sha256sum /dev/vda", rb"([0-9a-f]{64})  /dev", 60)
    check("the checksum after three resets", found[1].decode(), file_hash(disk))
    power_off(guest)
    check_quiet(guest)


@case()
def disk_shrinks(t):
    """A file that becomes shorter under a running guest gives it I/O errors, and nothing else."""
    t.needs_mayfly("disks")
    disk = random_disk(t, "shrinks.img", 16 * MIB)
    guest = start(t, [disk])
    os.truncate(disk, 8 * MIB)
    guest.ask(
        "dd if=/dev/vda of=/dev/null bs=4096 skip=3072 count=1 iflag=direct 2>&1; echo dd-$((40 + 2))",
        rb"Input/output error.*dd-42",
        60,
    )
    found = guest.ask("head -c 8388608 /dev/vda | sha256sum", rb"([0-9a-f]{64})  -", 60)
    check("the checksum of what is left", found[1].decode(), file_hash(disk))
    power_off(guest)


@case()
def disk_rate_limit(t):
    """A drive with ops=50 does fifty reads a second, after a first second's burst."""
    t.needs_mayfly("disks")
    guest = start(t, [random_disk(t, "slow.img", 4 * MIB) + ",ops=50"])
    guest.ask(
        "dd if=/dev/vda of=/dev/null bs=4096 count=60 iflag=direct 2>/dev/null; echo burst-$((40 + 2))",
        rb"burst-42",
        60,
    )
    began = time.monotonic()
    guest.ask(
        "dd if=/dev/vda of=/dev/null bs=4096 count=150 iflag=direct 2>/dev/null; echo limited-$((40 + 2))",
        rb"limited-42",
        60,
    )
    seconds = time.monotonic() - began
    if not 2.0 < seconds < 8.0:
        raise Failed(f"150 reads at 50 a second took {seconds:.1f} s")
    power_off(guest)
