"""How a guest ends, or the monitor does, and the status that tells of it."""

import os
import signal
import struct

from checks import BOOT_SECONDS, report_of
from kit import Failed, case


@case()
def no_initrd_panics(t):
    """Without an initrd there is no root: the kernel says so and, told to, resets the machine."""
    guest = t.start("cloud.vmlinux", "quiet", initrd=None)
    guest.expect(rb"Kernel panic - not syncing: VFS", BOOT_SECONDS)
    guest.expect_status(0)


@case()
def panic(t):
    """A panic of the running guest is on the console, and panic=-1 ends it as a reset does."""
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=panic", vcpus=2)
    report_of(guest)
    guest.expect(rb"Kernel panic - not syncing: sysrq triggered crash", 30)
    guest.expect_status(0)


@case()
def reboot(t):
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=reboot")
    report_of(guest)
    guest.expect_status(0)


@case()
def reboot_without_reboot_k(t):
    """Left to itself, Linux on hardware-reduced ACPI asks EFI first and then jumps to the BIOS's reset
    entry, f000:fff0 in real mode. A guest that reboots so must end as well, not spin."""
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=reboot", base="console=ttyS0 panic=-1")
    report_of(guest)
    guest.expect_status(0)


@case()
def exit_port(t):
    """The low 8 bits of what the guest writes to port 0xf4 are the monitor's status."""
    t.needs_mayfly("exit port")
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=exit:0x12a")
    report_of(guest)
    guest.expect_status(0x2A)


@case()
def crash_of_linux(t):
    """reboot=t: Linux ends itself by a triple fault. That is a crash: 126, and a line that says so."""
    t.needs_mayfly("crash status")
    guest = t.start("cloud.vmlinux", "quiet reboot=t mayfly.do=reboot")
    report_of(guest)
    guest.expect_status(126)
    one_line(guest, "triple fault")


def tiny_elf(path, code):
    """Writes a 64-bit ELF file whose only segment, at 1 MiB, starts with the code, its entry."""
    header = b"\x7fELF\2\1\1" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, 0x100000, 64, 0, 0, 64, 56, 1, 0, 0, 0)
    segment = struct.pack("<IIQQQQQQ", 1, 5, 0x1000, 0x100000, 0x100000, len(code), len(code), 0x1000)
    with open(path, "wb") as file:
        file.write((header + segment).ljust(0x1000, b"\0") + code)


def one_line(guest, *words):
    """The monitor reports an error once, in one line that names it."""
    said = guest.monitor_words()
    lines = said.splitlines()
    if len(lines) != 1 or not lines[0].startswith("mayfly: "):
        raise Failed(f"stderr is not one line 'mayfly: ...': {said or 'empty'}")
    for word in words:
        if word.lower() not in said.lower():
            raise Failed(f"stderr does not say '{word}': {said}")


@case(when="quick")
def crash_at_entry(t):
    """ud2 with no interrupt table: a triple fault at the first instruction. (Not where: KVM on AMD resets
    the processor before it reports one, and rip is the reset vector's.)"""
    t.needs_mayfly("crash status")
    path = os.path.join(t.out, "ud2.elf")
    tiny_elf(path, b"\x0f\x0b")
    guest = t.start(path, initrd=None)
    guest.expect_status(126)
    one_line(guest, "triple fault", "rip")


@case()
def refuses_what_is_no_kernel(t):
    """Status 125 and one line each: no such file, an empty file, a text, half a bzImage, a bad initrd."""
    t.needs_mayfly("status 125")
    half = os.path.join(t.out, "half.bzimage")
    with open(t.file("cloud.bzimage"), "rb") as source, open(half, "wb") as target:
        target.write(source.read(4096))
    for kernel, initrd_path in (
        ("/nonexistent/kernel", None),
        ("/dev/null", None),
        (os.path.abspath(__file__), None),
        (half, None),
        (t.file("cloud.vmlinux"), "/nonexistent/initrd"),
        (t.file("cloud.vmlinux"), t.file("generic.vmlinux")),  # larger than the 64 MiB below
    ):
        command = [t.monitor, "run", "--kernel", kernel, "--memory", "64M"]
        guest = t.start_command(command + (["--initrd", initrd_path] if initrd_path else []))
        guest.expect_status(125)
        one_line(guest)


@case()
def sigterm(t):
    """SIGTERM ends the monitor while its guest runs; the status says so."""
    guest = t.start("cloud.vmlinux", "quiet", vcpus=2)
    report_of(guest)
    guest.signal(signal.SIGTERM)
    guest.expect_status(0 if t.is_reference else 128 + signal.SIGTERM)


def truncates(t, pattern, kernel):
    """Cuts the kernel file off under a guest once the pattern is on its console. Either the guest never
    notices (the monitor keeps a copy) or it is lost (126); the monitor itself does not die of SIGBUS."""
    path = f"/dev/shm/{t.name}"
    try:
        with open(t.file(kernel), "rb") as source, open(path, "wb") as target:
            target.write(source.read())
        guest = t.start(path, stdin="pipe")
        guest.expect(pattern, BOOT_SECONDS)
        os.truncate(path, 0)
        try:
            guest.expect(rb"MAYFLY-GUEST-READY\r*\n", BOOT_SECONDS)
            # Reads through much of the kernel's text and data.
            guest.ask(
                "cat /proc/kallsyms | wc -l; dmesg | wc -l; ls -lR /sys | wc -l; echo alive-$((6 * 7))",
                rb"alive-42",
                60,
            )
            guest.send(b"poweroff -f\n")
        except Failed:
            if guest.process.poll() is None:
                raise
        status = guest.finish(30)
        if status not in (0, 126):
            raise Failed(f"status {status} after the kernel file was cut; stderr: {guest.monitor_words()}")
    finally:
        os.unlink(path)


@case(limit_s=400)
def kernel_truncated_early(t):
    truncates(t, rb"Linux version", "cloud.vmlinux")


@case(limit_s=400)
def kernel_truncated_late(t):
    truncates(t, rb"MAYFLY-GUEST-UP", "cloud.vmlinux")
