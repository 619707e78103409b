"""Stock Linux guests driven by the API: boot, pause, changes of drives and limits, Ctrl+Alt+Del, jails."""

import http.server
import json
import os
import re
import threading
import time

from api_guest import MIB, boot_source, configure, drive, launch, nic, press_ctrl_alt_del, shell, start
from checks import check
from guest import BASE_CMDLINE
from kit import Failed, Skipped, case
from kit.api import Api
from disk_cases import check_quiet, disk_path, ext4_disk, file_hash, power_off, random_disk, sh
from net_cases import GUEST, HOST, Link, Source, get, ping

# The words of Firecracker's own default command line.
DUMB_KEYBOARD = "i8042.noaux i8042.nomux i8042.dumbkbd"
BUCKET_BYTES = 64 << 10


def bucket(bytes_per_second):
    return {"size": BUCKET_BYTES, "refill_time": BUCKET_BYTES * 1000 // bytes_per_second}


@case(when="quick")
def api_boot(t):
    """Requests make the VM: RAM disk, root drive, NIC on a TAP. Ctrl+Alt+Del restarts it, which is its end."""
    disk = random_disk(t, "root.img", 2 * MIB)
    with Link("mfa0"):
        guest, api = start(
            t,
            DUMB_KEYBOARD,
            drives=[drive("rootfs", disk, root=True)],
            nics=[nic("mfa0", guest_mac="02:00:5e:00:53:0a")],
        )
        check("the state", api.get("/")["state"], "Running")
        guest.ask("cat /proc/cmdline", rb"dumbkbd .*root=/dev/vda rw")
        found = guest.ask("sha256sum /dev/vda", rb"([0-9a-f]{64})  /dev", 60)
        check("the drive's checksum", found[1].decode(), file_hash(disk))
        guest.ask("cat /sys/class/net/eth0/address", rb"02:00:5e:00:53:0a")
        guest.ask(f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo up-$((40 + 2))", rb"up-42")
        ping(GUEST)
        press_ctrl_alt_del(guest, api)
        check_quiet(guest)


@case()
def api_pause(t):
    """Two threads of one core stand still while paused, and then go on as if nothing had been."""
    guest, api = start(t, vcpu_count=2, smt=True)
    guest.ask("cat /sys/devices/system/cpu/cpu[01]/topology/thread_siblings_list", rb"\n0-1\r*\n0-1\r*\n")
    guest.ask("cat /sys/devices/system/cpu/cpu[01]/topology/core_id", rb"\n0\r*\n0\r*\n")
    # The watchdogs bite after 2 and 3 seconds.
    guest.ask(
        "echo 1 > /proc/sys/kernel/watchdog_thresh && cd /sys/module/rcupdate/parameters && "
        "echo 3 > rcu_cpu_stall_timeout && echo set-$((40 + 2))",
        rb"set-42",
    )
    guest.send(
        b"(while :; do :; done) & n=0; while [ $n -lt 100000 ]; do n=$((n + 1)); echo tick-$n; sleep 0.05; done\n"
    )
    guest.expect(rb"tick-20\r*\n", 60)
    api.patch("/vm", state="Paused")
    check("the state", api.get("/")["state"], "Paused")
    time.sleep(0.5)  # what it had said before
    said = len(guest.buffer)
    time.sleep(7)
    check("what it said while paused", bytes(guest.buffer[said:]), b"")
    last = max(int(tick) for tick in re.findall(rb"tick-(\d+)\r*\n", bytes(guest.buffer)))
    api.patch("/vm", state="Resumed")
    guest.expect(rb"tick-%d\r*\n" % (last + 20), 60)
    ticks = [int(tick) for tick in re.findall(rb"tick-(\d+)\r*\n", bytes(guest.buffer))]
    check("the ticks", ticks, list(range(1, len(ticks) + 1)))
    guest.send(b"\x03\n")
    guest.ask(
        "dmesg | grep -ciE 'lockup|stall|hung|clocksource.*unstable'; echo counted-$((40 + 2))",
        rb"\n0\r*\n.*counted-42",
    )
    power_off(guest)


def read_drive(guest):
    """The checksum of all that /dev/vda has now."""
    return guest.ask("dd if=/dev/vda bs=64k iflag=direct 2>/dev/null | sha256sum", rb"([0-9a-f]{64})  -", 60)[
        1
    ].decode()


def wait_for_size(guest, size):
    guest.ask(
        f"until [ $(cat /sys/block/vda/size) = {size // 512} ]; do sleep 0.1; done; echo size-$((40 + 2))", rb"size-42"
    )


@case()
def api_other_file(t):
    """A drive gets another file, of another size, also in the middle of reads and writes; and its own, which has grown."""
    files = [random_disk(t, "small.img", 4 * MIB), random_disk(t, "large.img", 6 * MIB)]
    guest, api = start(t, drives=[drive("data", files[0])])
    check("the first file's checksum", read_drive(guest), file_hash(files[0]))
    api.patch("/drives/data", drive_id="data", path_on_host=files[1])
    wait_for_size(guest, 6 * MIB)
    check("the second file's checksum", read_drive(guest), file_hash(files[1]))

    # Within what both files have.
    for words in (
        b"if=/dev/vda of=/dev/null count=64 iflag=direct",
        b"if=/dev/zero of=/dev/vda count=16 oflag=direct conv=notrunc",
    ):
        guest.send(b"(while [ ! -e /tmp/stop ]; do dd bs=64k %s 2>/dev/null || echo >> /tmp/failed; done) &\n" % words)
    guest.ask("echo going-$((40 + 2))", rb"going-42")
    for number in range(11):
        api.patch("/drives/data", drive_id="data", path_on_host=files[number % 2])
        time.sleep(0.1)
    wait_for_size(guest, 4 * MIB)
    guest.ask("touch /tmp/stop; wait; dmesg | grep -c 'I/O error'; echo done-$((40 + 2))", rb"\n0\r*\n.*done-42", 60)
    # The shell may yet say that its jobs are done, with all of their words.
    guest.ask("[ -e /tmp/failed ] || echo none-$((40 + 2))", rb"none-42")
    check("the first file's checksum", read_drive(guest), file_hash(files[0]))

    # What the drive has no more is given back, if it took the kernel a second.
    free = os.statvfs(files[1]).f_bfree
    block = os.statvfs(files[1]).f_bsize
    os.unlink(files[1])
    deadline = time.monotonic() + 20
    while (os.statvfs(files[0]).f_bfree - free) * block < 5 * MIB:
        if time.monotonic() > deadline:
            raise Failed("the file that the drive had before is still open")
        time.sleep(0.2)

    os.truncate(files[0], 8 * MIB)
    api.patch("/drives/data", drive_id="data", path_on_host=files[0])
    wait_for_size(guest, 8 * MIB)
    check("the grown file's checksum", read_drive(guest), file_hash(files[0]))
    power_off(guest)
    check_quiet(guest)


@case()
def api_limits(t):
    """Limits of a drive and of both ways of a NIC are set and lifted while the guest runs."""

    def by_drive(kib):
        guest.ask(
            f"dd if=/dev/vda of=/dev/null bs=64k count={kib // 64} iflag=direct 2>/dev/null; echo read-$((40 + 2))",
            rb"read-42",
            100,
        )

    def to_guest(kib):
        Source.chunk, Source.times = b"x" * 1024, kib
        guest.ask(f"wget -q -O - http://{HOST}:5002/ | wc -c", rb"\n%d\r*\n" % (kib * 1024), 100)

    def from_guest(kib):
        check("the bytes that came", get(f"/{kib}")[0], kib * 1024)

    def rate(move, kib):
        began = time.monotonic()
        move(kib)
        return kib * 1024 / (time.monotonic() - began)

    def limited(move, change):
        """No limit lets more through than it says. The emulator's own pace is anything from 0.4 to 5 MB a second, and
        changes: that a higher limit, and none, let more through than a low one is seen in the best of some turns."""
        slow, quick = 128 << 10, 512 << 10

        def most(what, kib, enough):
            rates = []
            while len(rates) < 6 and max(rates, default=0) < enough:
                rates.append(rate(move, kib))
            if max(rates) < enough:
                raise Failed(f"{what} lets only {rates} bytes a second through, and {enough:.0f} are awaited")
            return max(rates)

        change({"bandwidth": bucket(quick)})
        if (found := most("a limit of 512 KiB", 1024, 1.5 * slow)) > 1.2 * quick:
            raise Failed(f"a limit of 512 KiB a second lets {found:.0f} bytes through")
        change({"bandwidth": bucket(slow)})
        if (found := most("a limit of 128 KiB", 512, 0.5 * slow)) > 1.2 * slow:
            raise Failed(f"a limit of 128 KiB a second lets {found:.0f} bytes through")
        change({"bandwidth": {"size": 0, "refill_time": 0}})
        most("no limit", 1024, 2 * slow)

    with Link("mfa1"), http.server.HTTPServer((HOST, 5002), Source) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        guest, api = start(t, drives=[drive("data", random_disk(t, "data.img", 2 * MIB))], nics=[nic("mfa1")])
        limited(by_drive, lambda limiter: api.patch("/drives/data", drive_id="data", rate_limiter=limiter))
        guest.ask(f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo up-$((40 + 2))", rb"up-42")
        route = "/network-interfaces/mfa1"
        limited(to_guest, lambda limiter: api.patch(route, iface_id="mfa1", rx_rate_limiter=limiter))
        guest.ask(
            "for n in 512 1024; do head -c $((n * 1024)) /dev/zero > /tmp/$n; done; httpd -p 80 -h /tmp; "
            "echo serving-$((40 + 2))",
            rb"serving-42",
        )
        limited(from_guest, lambda limiter: api.patch(route, iface_id="mfa1", tx_rate_limiter=limiter))
        server.shutdown()
        power_off(guest)
        check_quiet(guest)


@case()
def api_root_drive(t):
    """Without a RAM disk: the root is on the root drive, and the command line says so. (Our kernel: Debian's has drivers in modules.)"""
    kernel = os.path.join(os.path.dirname(t.monitor), "../lib/mayfly/vmlinux")
    if not os.path.exists(kernel):
        raise Skipped("our kernel has not been built")
    guest, api = launch(t)
    folder = disk_path(t, "root")
    for name in ("bin", "dev", "proc"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)
    sh("cp", "/bin/busybox", f"{folder}/bin/busybox")
    os.symlink("busybox", f"{folder}/bin/sh")
    source = {"kernel_image_path": kernel, "boot_args": f"{BASE_CMDLINE} quiet init=/bin/sh"}
    root = drive("root", ext4_disk(t, "root.img", 16 * MIB, folder), root=True)
    configure(api, source, drives=[drive("data", random_disk(t, "data.img", MIB)), root])
    api.action("InstanceStart")
    guest.ask("echo shell-$((40 + 2))", rb"shell-42", 60)
    guest.ask("/bin/busybox mount -t proc proc /proc; /bin/busybox cat /proc/mounts", rb"/dev/root / ext4 rw")
    guest.send(b"/bin/busybox poweroff -f\n")
    guest.expect_status(0)


@case()
def api_config_file(t):
    """The same from a file, without an API."""
    t.needs_mayfly("API")
    disk = random_disk(t, "data.img", MIB)
    path = disk_path(t, "vm.json")
    with open(path, "w", encoding="ascii") as file:
        json.dump(
            {
                "boot-source": boot_source(t),
                "drives": [drive("data", disk, is_read_only=True)],
                "machine-config": {"vcpu_count": 2, "mem_size_mib": 192},
            },
            file,
        )
    guest = t.start_command([t.monitor, "--no-api", "--config-file", path], "pipe")
    check("nproc in the guest", shell(guest)["nproc"], "2")
    check("a thread of an API", "api" in guest.thread_names(), False)
    guest.ask("cat /sys/block/vda/ro", rb"\n1\r*\n")
    power_off(guest)
    check_quiet(guest)


@case()
def api_in_a_jail(t):
    """mayfly-jailer with the API's socket in the jail. Paths are the jail's; the keyboard is probed in full."""
    t.needs_mayfly("jailer")
    os.makedirs("/tmp/jails", exist_ok=True)
    jailer = os.path.join(os.path.dirname(t.monitor), "mayfly-jailer")
    source = boot_source(t)
    guest = t.start_command(
        [
            jailer,
            "--id",
            "api",
            "--exec-file",
            t.monitor,
            "--uid",
            "23457",
            "--gid",
            "23457",
            "--chroot-base-dir",
            "/tmp/jails",
            "--cleanup",
            "--bind",
            f"{source['kernel_image_path']}:/vmlinux:ro",
            "--bind",
            f"{source['initrd_path']}:/initrd:ro",
            "--",
            "--api-sock",
            "/run/api.socket",
        ],
        "pipe",
    )
    api = Api(f"/tmp/jails/{os.path.basename(t.monitor)}/api/root/run/api.socket")
    api.wait(guest.process)
    check("the id", api.get("/")["id"], "api")
    configure(api, {**source, "kernel_image_path": "/vmlinux", "initrd_path": "/initrd"})
    api.action("InstanceStart")
    shell(guest)
    guest.ask("cat /proc/bus/input/devices", rb'Name="AT Translated Set 2 keyboard"')
    press_ctrl_alt_del(guest, api)


@case()
def api_three_at_once(t):
    """Three VMs start at once, each with its own API, and each is ended by its own."""
    vms = [launch(t, f"vm{number}") for number in range(3)]
    for guest, api in vms:
        configure(api, boot_source(t, DUMB_KEYBOARD))
    for guest, api in vms:
        api.action("InstanceStart")
    for number, (guest, api) in enumerate(vms):
        shell(guest)
        check("the id", api.get("/")["id"], f"vm{number}")
    for guest, api in vms:
        press_ctrl_alt_del(guest, api)
