"""The programs of a comparison: how each is found, what it boots, and the command line that its own documentation
recommends for a fast start. METHOD.md, "mayfly-bench compare", has the sources."""

import dataclasses
import json
import os
import typing

from . import guests, machine
from .probe import GIVEN_FILE

OWN_PROTOCOL = "boots no unikernel of Mayfly's, which has an entry of its own"
FLOOR_MARKER = "hello"  # the floor has a guest of its own, in every comparison the same


@dataclasses.dataclass
class Monitor:
    name: str
    file_names: tuple  # as it is installed
    start: typing.Callable  # (path, guest, kvm) -> words, and the content of GIVEN_FILE
    refuses: dict = dataclasses.field(default_factory=dict)  # {protocol: why}
    writes_home: bool = False  # leaves something in the user's home folder

    def refusal(self, guest):
        """Why it does not boot the guest; "": it does."""
        return self.refuses.get(guest.protocol, "")


def start_floor(path, _guest, _kvm):
    return [path], None


def start_mayfly(path, guest, _kvm):
    words = [path, "run", "--memory", f"{guest.memory_mib}M"]
    if guest.protocol == guests.EMBEDDED:
        return [*words, "--", "quiet"], None
    return [*words, "--kernel", guest.image, *with_flag("--cmdline", guest.command_line)], None


def with_flag(flag, text):
    return [flag, text] if text else []


def start_qemu(path, guest, kvm):
    """QEMU's manual, "microvm virtual platform": all optional legacy devices off, host CPU, no default devices. The
    serial line stays, since that is what the clock listens to. Its acpi=off is not among the options there, and
    Debian's kernel does not come up with it."""
    # Software KVM refuses a value that QEMU gives MSR 0x10a, and QEMU then aborts.
    cpu = "host,arch-capabilities=off" if machine.is_software_kvm(kvm) else "host"
    words = [path, "-M", "microvm,x-option-roms=off,pit=off,pic=off,isa-serial=on,rtc=off", "-enable-kvm"]
    words += ["-cpu", cpu, "-m", f"{guest.memory_mib}m", "-smp", "1", "-nodefaults", "-no-user-config", "-nographic"]
    words += ["-no-reboot", "-serial", "stdio", "-kernel", guest.image]
    return words + with_flag("-append", guest.command_line), None


def start_kvmtool(path, guest, _kvm):
    """`lkvm run --help`. Without --nodefaults each run makes a root file system in the home folder; with it there is a
    socket, which one that is killed leaves there."""
    words = [path, "run", "--nodefaults", "--cpus", "1", "--mem", str(guest.memory_mib), "--network", "mode=none"]
    return [*words, "--console", "serial", "--kernel", guest.image, "--params", guest.command_line], None


def start_firecracker(path, guest, _kvm):
    """Firecracker's docs/getting-started.md: a configuration file instead of the API, and pci=off for Linux. The log
    goes to /dev/null, as standard output is the guest's serial line too."""
    boot_args = f"{guest.command_line} pci=off" if guest.command_line else ""
    configuration = {
        "boot-source": {"kernel_image_path": guest.image, "boot_args": boot_args},
        "drives": [],
        "machine-config": {"vcpu_count": 1, "mem_size_mib": guest.memory_mib},
    }
    words = [path, "--no-api", "--config-file", GIVEN_FILE, "--log-path", "/dev/null", "--level", "Error"]
    return words, json.dumps(configuration)


def start_cloud_hypervisor(path, guest, _kvm):
    """Cloud Hypervisor's README, "Booting the guest VM": the serial line for what comes early, and no virtio console
    beside it."""
    words = [path, "--kernel", guest.image, "--console", "off", "--serial", "tty", "--cpus", "boot=1"]
    return [*words, "--memory", f"size={guest.memory_mib}M", *with_flag("--cmdline", guest.command_line)], None


NO_UNIKERNEL = {guests.EMBEDDED: OWN_PROTOCOL}
FLOOR = Monitor("floor", ("mayfly-floor",), start_floor)
MAYFLY = Monitor("mayfly", ("mayfly",), start_mayfly)
PEERS = (
    Monitor("qemu", ("qemu-system-x86_64", "qemu-kvm"), start_qemu, NO_UNIKERNEL),
    Monitor(
        "kvmtool",
        ("lkvm", "kvmtool"),
        start_kvmtool,
        # load_bzimage() and load_flat_binary() in kvmtool's x86/kvm.c: there is no third.
        {guests.PVH: "boots a bzImage or a flat binary, no ELF", **NO_UNIKERNEL},
        writes_home=True,
    ),
    Monitor(
        "firecracker",
        ("firecracker",),
        start_firecracker,
        NO_UNIKERNEL,  # bzImages since 1.17: older ones say so when they are tried
    ),
    Monitor("cloud-hypervisor", ("cloud-hypervisor", "cloud-hypervisor-static"), start_cloud_hypervisor, NO_UNIKERNEL),
)


def is_program(path):
    return os.path.isfile(path) and os.access(path, os.X_OK)


def find_program(names, path):
    """The first program of the names in `path`, a list of folders as in PATH; "": none."""
    places = (os.path.join(folder, name) for name in names for folder in path.split(":") if folder)
    return next(filter(is_program, places), "")
