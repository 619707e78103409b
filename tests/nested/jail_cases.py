"""Jails around stock Linux guests, and cgroups of version 2, which the machine of the native tier may not have."""

import os
import pathlib
import signal
import time

from checks import check, report_of
from guest import BASE_CMDLINE
from kit import Failed, case

UID = 23456
CGROUPS = pathlib.Path("/sys/fs/cgroup")


def wait_for(what, limit_s, description):
    deadline = time.monotonic() + limit_s
    while not what():
        if time.monotonic() > deadline:
            raise Failed(description)
        time.sleep(0.1)


@case(when="quick")
def jail_cgroup_v2(t):
    """The version is found; settings hold, the guest boots from binds, and all is removed after a SIGKILL."""
    t.needs_mayfly("jailer")
    os.makedirs("/tmp/jails", exist_ok=True)
    jailer = os.path.join(os.path.dirname(t.monitor), "mayfly-jailer")
    guest = t.start_command(
        [
            jailer,
            "--id",
            "v2",
            "--exec-file",
            t.monitor,
            "--uid",
            str(UID),
            "--gid",
            str(UID),
            "--chroot-base-dir",
            "/tmp/jails",
            "--cleanup",
            "--cgroup",
            "memory.max=400000000",
            "--cgroup",
            "pids.max=30",
            "--cgroup",
            "cpu.weight=50",
            "--bind",
            f"{t.file('cloud.vmlinux')}:/vmlinux:ro",
            "--bind",
            f"{t.file('initramfs.cpio')}:/initrd:ro",
            "--",
            "run",
            "--kernel",
            "/vmlinux",
            "--initrd",
            "/initrd",
            "--cmdline",
            f"{BASE_CMDLINE} quiet",
        ]
    )
    report_of(guest)
    cgroup = CGROUPS / os.path.basename(t.monitor) / "v2"
    found = {name: (cgroup / name).read_text().strip() for name in ("memory.max", "pids.max", "cpu.weight")}
    check("the cgroup", found, {"memory.max": "399998976", "pids.max": "30", "cpu.weight": "50"})
    check("the processes of the cgroup", str(guest.process.pid) in (cgroup / "cgroup.procs").read_text().split(), True)
    guest.process.send_signal(signal.SIGKILL)
    guest.process.wait()
    folder = pathlib.Path("/tmp/jails", os.path.basename(t.monitor), "v2")
    wait_for(lambda: not cgroup.exists() and not folder.exists(), 60, "the cgroup or the folder is left")


@case()
def jailed_linux(t):
    """`run --jail` with a Linux guest: nothing that it does needs a system call which is not allowed."""
    t.needs_mayfly("jail")
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=poweroff", vcpus=2, more=["--jail"])
    report_of(guest)
    guest.expect_status(0)
    check("what the monitor says", guest.monitor_words(), "")
