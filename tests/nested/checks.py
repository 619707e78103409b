"""What a guest tells of itself, and the checks that several cases share. A case is a function of a Context (suite.py)
that raises Failed."""

from kit import Failed

BOOT_SECONDS = 150
# After a PVH entry the kernel itself fills in the boot parameters (Linux, arch/x86/platform/pvh/
# enlighten.c): loader type 0xb0 and protocol 2.12. This pair tells which entry was used.
PVH_LOADER = ("176", "0x020c")


def report_of(guest):
    """What guest-init found, as a dictionary of the lines mayfly.KEY=VALUE."""
    guest.expect(rb"MAYFLY-GUEST-UP\r*\n", BOOT_SECONDS, "MAYFLY-GUEST-UP")
    text = guest.until(b"MAYFLY-GUEST-READY", BOOT_SECONDS)
    pairs = (line.strip().split("=", 1) for line in text.decode(errors="replace").splitlines() if "=" in line)
    return {key.removeprefix("mayfly."): value for key, value in pairs if key.startswith("mayfly.")}


def check(what, is_value, wanted):
    if is_value != wanted:
        raise Failed(f"{what} is {is_value} instead of {wanted}")


def check_machine(report, vcpus, memory_mib):
    check("nproc in the guest", report.get("nproc"), str(vcpus))
    missing = memory_mib * 1024 * 1024 - int(report.get("ram_bytes", "0"))
    # The first page, the BIOS area below 1 MiB, and the ACPI tables are no RAM to Linux.
    if not 0 <= missing <= 2 * 1024 * 1024:
        raise Failed(f"{memory_mib} MiB guest: its memory map lacks {missing} bytes")
