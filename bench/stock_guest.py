"""The guest that measurements in the emulated machine compare with: Debian's cloud kernel, as vmlinux and as bzImage, and
an initramfs of busybox that says a line as soon as it runs."""

import glob
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
# /init of the guest. Its first line is what the clock stops at; the log is for --where.
GUEST_INIT = """#!/bin/busybox sh
echo MAYFLY-USER-SPACE
case "$(/bin/busybox cat /proc/version 2>/dev/null)" in '') /bin/busybox mount -t proc proc /proc;; esac
case "$(/bin/busybox cat /proc/cmdline)" in *bench.log*) /bin/busybox dmesg;; esac
echo MAYFLY-END
while :; do /bin/busybox sleep 1000; done
"""


def need(program, package):
    path = shutil.which(program) or shutil.which(program, path="/usr/sbin:/sbin:/bin")
    if path is None:
        sys.exit(f"{os.path.basename(sys.argv[0])}: {program} is missing; install the package {package}")
    return path


def prepare(work):
    """Puts vmlinux, bzImage and initramfs in `work`; returns the kernel's name."""
    busybox = need("busybox", "busybox-static")
    need("cpio", "cpio")
    kernels = glob.glob("/boot/vmlinuz-*-cloud-amd64")
    if not kernels:
        sys.exit("no cloud kernel in /boot; install the package linux-image-cloud-amd64")
    bzimage = max(kernels, key=os.path.getmtime)
    shutil.copy(bzimage, f"{work}/bzImage")
    extract = os.path.join(HERE, "../tests/nested/extract-vmlinux")
    subprocess.run([extract, bzimage, f"{work}/vmlinux"], check=True)
    root = f"{work}/root"
    for folder in ("bin", "dev", "proc"):
        os.makedirs(f"{root}/{folder}")
    shutil.copy(busybox, f"{root}/bin/busybox")
    with open(f"{root}/init", "w", encoding="ascii") as file:
        file.write(GUEST_INIT)
    os.chmod(f"{root}/init", 0o755)
    subprocess.run(f"cd {root} && find . | cpio --quiet -o -H newc > ../initramfs", shell=True, check=True)
    shutil.rmtree(root)
    return os.path.basename(bzimage)
