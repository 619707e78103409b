"""Kernels of every form that is booted, by small ones that a PVH note starts."""
import calendar
import tempfile
import time

from kit import case, expect, expect_equal, mayfly
from pc_timer import out, pvh_kernel, read, status_of

STATUS_42 = b"\xb0\x2a"  # mov al, 42


@case()
def of_either_class_and_whatever_its_segments_may():
    for bits in (64, 32):
        for flags in (5, 6, 0):
            with tempfile.TemporaryDirectory() as folder:
                kernel = pvh_kernel(folder, STATUS_42, bits=bits, flags=flags)
                result = mayfly("run", "--memory", "16M", "--kernel", kernel)
                expect_equal((result.returncode, result.stderr), (42, b""), f"{bits} bits, p_flags {flags}")


@case()
def the_time_without_acpi():
    """The registers of a PC's clock, seconds first, and that of an update in progress."""
    registers = (0x00, 0x02, 0x04, 0x07, 0x08, 0x09, 0x32, 0x0A)
    to_serial = b"\xee"  # out dx, al
    code = b"\x66\xba\xf8\x03"  # mov dx, 0x3f8
    code += b"".join(out(0x70, register) + read(0x71) + to_serial for register in registers)
    with tempfile.TemporaryDirectory() as folder:
        before = int(time.time())
        result = mayfly("run", "--memory", "16M", "--kernel", pvh_kernel(folder, code + b"\xb0\x00"))
        after = int(time.time())
    expect_equal((result.returncode, result.stderr, len(result.stdout)), (0, b"", len(registers)), "the guest's end")
    second, minute, hour, day, month, year, century = (int(f"{byte:x}") for byte in result.stdout[:7])
    told = calendar.timegm((century * 100 + year, month, day, hour, minute, second))
    expect(before <= told <= after, f"{told} is not between {before} and {after}")
    expect_equal(result.stdout[7] & 0x80, 0, "an update in progress")


@case()
def a_reset_by_the_chipset():
    code = b"\x66\xba\xf9\x0c"  # mov dx, 0xcf9
    code += b"".join(bytes([0xB0, value]) + b"\xee" for value in (0x02, 0x06))  # mov al, value; out dx, al
    expect_equal(status_of(code), 0, "status")
