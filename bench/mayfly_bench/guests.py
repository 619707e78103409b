"""What the monitors of a comparison boot. METHOD.md, "mayfly-bench compare"."""

import dataclasses
import os
import pathlib

from . import machine, places
from .versions import version_key

NAMES = ("stub", "unikernel", "kernel", "debian")
PVH, BZIMAGE, EMBEDDED = "an ELF with a PVH note", "the Linux/x86 boot protocol", "Mayfly's own, in its program"

SMALL_MIB = 128  # the floor has as much
LINUX_MIB = 256
# It has no root, and says so when all else of its boot is done. Nothing else comes from a quiet kernel, whose lines
# would cost more than its boot.
LINUX_MARKER = "Unable to mount root fs"
LINUX_COMMAND_LINE = "console=ttyS0 quiet reboot=k panic=1"
NEEDS_HARDWARE = (
    "KVM is software here (kvm_pvm) and interprets a kernel's code; use a host with hardware virtualization"
)


@dataclasses.dataclass
class Guest:
    name: str
    protocol: str  # how it is entered
    image: str  # the file; "": in Mayfly's program
    marker: str  # what it prints first; the clock stops there
    memory_mib: int
    command_line: str = ""
    absence: str = ""  # why it cannot run here; "": it can

    @property
    def is_linux(self):
        return self.marker == LINUX_MARKER


def find(name, kvm):
    """`kvm`: the module behind /dev/kvm."""
    if name == "stub":
        return Guest(name, PVH, str(places.STUB), "hello", SMALL_MIB, absence=missing(places.STUB))
    if name == "unikernel":
        return Guest(name, EMBEDDED, "", "Hello from a Mayfly guest", SMALL_MIB)
    protocol, image = (PVH, str(places.KERNEL)) if name == "kernel" else (BZIMAGE, newest_debian_kernel("/boot"))
    guest = Guest(name, protocol, image, LINUX_MARKER, LINUX_MIB, LINUX_COMMAND_LINE)
    if machine.is_software_kvm(kvm):
        guest.absence = NEEDS_HARDWARE
    elif not image:
        guest.absence = "no /boot/vmlinuz-*-amd64 can be read; install linux-image-cloud-amd64"
    elif name == "kernel":
        guest.absence = missing(places.KERNEL, "; build the target `kernel`")
    return guest


def missing(path, remedy=""):
    return "" if os.access(path, os.R_OK) else f"{path} is missing{remedy}"


def newest_debian_kernel(folder):
    """A cloud kernel before all others; "": none."""
    found = [str(path) for path in pathlib.Path(folder).glob("vmlinuz-*-amd64") if os.access(path, os.R_OK)]
    return max(found, key=lambda path: (path.endswith("-cloud-amd64"), version_key(path)), default="")
