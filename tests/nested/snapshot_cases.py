"""Stock Linux guests that are saved, and go on in another process: devices, clocks, several vCPUs."""

import re
import shutil

from api_guest import MIB, drive, launch, nic, start
from checks import check
from disk_cases import check_quiet, disk_path, ext4_disk, file_hash, power_off, random_disk
from kit import Failed, case
from net_cases import GUEST, Link, get, ping


def snapshot(t, guest, api, name="snap"):
    """Writes the two files, while the guest is paused, and ends its process."""
    files = disk_path(t, name), disk_path(t, name + ".mem")
    api.patch("/vm", state="Paused")
    api.put("/snapshot/create", snapshot_path=files[0], mem_file_path=files[1])
    guest.process.kill()
    guest.process.wait()
    return files


def restore(t, files, name="copy", **more):
    """Another process with the guest, which runs: (guest, api)."""
    guest, api = launch(t, name)
    back_end = {"backend_type": "File", "backend_path": files[1]}
    api.put("/snapshot/load", snapshot_path=files[0], mem_backend=back_end, resume_vm=True, **more)
    guest.ask("echo back-$((40 + 2))", rb"back-42", 60)
    return guest, api


def listen_for_complaints(guest):
    """The emulator's own time-stamp counters are not alike, which a guest may say at its start: that is no matter."""
    guest.ask(
        "complaints() { dmesg | grep -iE 'lockup|stall|hung|I/O error|unstable'; }; complaints > /tmp/before; "
        "echo set-$((40 + 2))",
        rb"set-42",
    )


def expect_no_complaints(guest):
    """None since listen_for_complaints()."""
    said = guest.ask(
        "complaints > /tmp/after; cat /tmp/after; cmp /tmp/before /tmp/after; echo same-$?-", rb"same-(\d)-"
    )
    if said[1] != b"0":
        raise Failed(f"the kernel complains: {guest.ask('cat /tmp/after; echo end-$((40 + 2))', rb'(.*)end-42')[1]!r}")


@case(when="quick")
def snapshot_linux(t):
    """A guest with a disk that it writes, and a program under way: both go on."""
    disk = ext4_disk(t, "data.img", 16 * MIB)
    guest, api = start(t, drives=[drive("data", disk)])
    listen_for_complaints(guest)
    guest.ask("mkdir -p /mnt && mount -t ext4 /dev/vda /mnt && echo mounted-$((40 + 2))", rb"mounted-42")
    guest.send(
        b"(n=0; while [ ! -e /tmp/stop ]; do n=$((n + 1)); echo $n >> /mnt/log; sync; done; echo $n > /tmp/count) &\n"
    )
    guest.ask("until [ -s /mnt/log ]; do sleep 0.1; done; echo writing-$((40 + 2))", rb"writing-42", 60)
    files = snapshot(t, guest, api)
    guest, api = restore(t, files)
    check("the state", api.get("/")["state"], "Running")
    guest.ask("sleep 1; touch /tmp/stop; wait; echo stopped-$((40 + 2))", rb"stopped-42", 60)
    guest.ask(
        "[ $(wc -l < /mnt/log) = $(cat /tmp/count) ] && [ $(tail -n 1 /mnt/log) = $(cat /tmp/count) ] && "
        "echo whole-$((40 + 2))",
        rb"whole-42",
    )
    guest.ask("umount /mnt; echo unmounted-$((40 + 2))", rb"unmounted-42", 60)
    expect_no_complaints(guest)
    power_off(guest)
    check_quiet(guest)


@case()
def snapshot_smp(t):
    """Four vCPUs, each with work of its own and a timer."""
    guest, api = start(t, vcpu_count=4)
    listen_for_complaints(guest)
    guest.send(
        b"for c in 0 1 2 3; do (n=0; while [ ! -e /tmp/stop ]; do n=$((n + 1)); "
        b"echo $n > /tmp/n$c; taskset -p $c $$ > /dev/null 2>&1; usleep 1000; done) & done\n"
    )
    guest.ask("sleep 1; cat /tmp/n0 /tmp/n1 /tmp/n2 /tmp/n3; echo seen-$((40 + 2))", rb"seen-42", 60)
    files = snapshot(t, guest, api)
    guest, _ = restore(t, files)
    said = guest.ask("cat /tmp/n?; sleep 1; cat /tmp/n?; echo all-$((40 + 2))", rb"((?:\d+\r*\n){8})all-42", 60)
    numbers = [int(number) for number in re.findall(rb"\d+", said[1])]
    for before, after in zip(numbers[:4], numbers[4:]):
        if after <= before:
            raise Failed(f"a loop stands still: {numbers}")
    guest.ask(
        "touch /tmp/stop; wait; grep -c ^processor /proc/cpuinfo; echo four-$((40 + 2))", rb"\n4\r*\n.*four-42", 60
    )
    expect_no_complaints(guest)
    power_off(guest)
    check_quiet(guest)


@case()
def snapshot_other_devices(t):
    """Restored twice, each time with a disk and a TAP of its own."""
    disk = random_disk(t, "data.img", 2 * MIB)
    untouched = file_hash(disk)
    with Link("mfs1"):
        guest, api = start(t, drives=[drive("data", disk)], nics=[nic("mfs1")])
        guest.ask(
            f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo hello > /tmp/x; "
            "httpd -p 80 -h /tmp; echo up-$((40 + 2))",
            rb"up-42",
        )
        ping(GUEST)
        files = snapshot(t, guest, api)
    for number in (2, 3):
        own = disk_path(t, f"own{number}.img")
        shutil.copyfile(disk, own)
        with Link(f"mfs{number}"):
            guest, _ = restore(
                t,
                files,
                f"copy{number}",
                drive_overrides=[{"drive_id": "data", "path_on_host": own}],
                network_overrides=[{"iface_id": "mfs1", "host_dev_name": f"mfs{number}"}],
            )
            ping(GUEST)
            check("the size of what its server says", get("/x")[0], 6)
            guest.ask(
                "echo mine-%d | dd of=/dev/vda conv=notrunc; sync; echo put-$((40 + 2))" % number,
                rb"put-42",
            )
            with open(own, "rb") as file:
                check("what it wrote", file.read(6), b"mine-%d" % number)
            power_off(guest)
            check_quiet(guest)
    check("the first disk's checksum", file_hash(disk), untouched)
