"""The 8254 of a PC, which is there as soon as a guest looks for it: by small guests that a PVH note starts."""
import struct
import tempfile

from kit import case, expect, expect_equal, mayfly, scratch_file

BASE = 0x100000
NOTE = struct.pack("<III4sI", 4, 4, 18, b"Xen\0", BASE)  # XEN_ELFNOTE_PHYS32_ENTRY
# The value of al is the status with which the VM ends.
END = bytes.fromhex("0fb6c0 66baf400 ef f4".replace(" ", ""))  # movzx eax, al; mov dx, 0xf4; out dx, eax; hlt


def pvh_kernel(folder, code, *, bits=64, flags=5):
    """An ELF executable of `code` (32-bit, paging off), which ends with al as its status. `flags` are its segment's."""
    text = code + END
    sizes = (64, 56) if bits == 64 else (52, 32)
    text_at = sizes[0] + 2 * sizes[1]
    note_at = text_at + len(text)
    identity = b"\x7fELF" + bytes([bits // 32, 1, 1])
    rest = (0, sizes[0], sizes[1], 2, 0, 0, 0)
    if bits == 64:
        header = struct.pack("<16sHHIQQQIHHHHHH", identity, 2, 62, 1, BASE, sizes[0], 0, *rest)
        load = struct.pack("<IIQQQQQQ", 1, flags, text_at, BASE, BASE, len(text), len(text), 1)
        note = struct.pack("<IIQQQQQQ", 4, 4, note_at, 0, 0, len(NOTE), len(NOTE), 4)
    else:
        header = struct.pack("<16sHHIIIIIHHHHHH", identity, 2, 3, 1, BASE, sizes[0], 0, *rest)
        load = struct.pack("<IIIIIIII", 1, text_at, BASE, BASE, len(text), len(text), flags, 1)
        note = struct.pack("<IIIIIIII", 4, note_at, 0, 0, len(NOTE), len(NOTE), 4, 4)
    return scratch_file(folder, "pvh", header + load + note + text + NOTE)


def out(port, value):
    return bytes([0xB0, value, 0xE6, port])  # mov al, value; out port, al


def read(port):
    return bytes([0xE4, port])  # in al, port


def status_of(code, *flags):
    """The status of a guest of that code."""
    with tempfile.TemporaryDirectory() as folder:
        result = mayfly("run", "--memory", "16M", *flags, "--kernel", pvh_kernel(folder, code))
        expect_equal(result.stderr, b"", "stderr")
        return result.returncode


@case()
def a_kernel_that_leaves_it_alone():
    expect_equal(status_of(b"\xb0\x2a"), 42, "status")


@case()
def the_first_control_word_counts():
    read_back = out(0x43, 0xE2) + read(0x40)  # the status of counter 0
    for word in (0x34, 0x30, 0x16, 0x3B):
        got = status_of(out(0x43, word) + read_back)
        expect_equal(got & 0x3F, word & 0x3F, f"what counter 0 says of itself after {word:#x}")


@case()
def it_counts_from_then_on():
    # Mode 2 from 0x8000; then until the low byte that is latched has changed.
    start = out(0x43, 0x34) + out(0x40, 0) + out(0x40, 0x80)
    latched = out(0x43, 0) + read(0x40) + b"\x88\xc3" + read(0x40)  # mov bl, al; the high byte follows
    until = latched + b"\x88\xd9" + latched + b"\x38\xd9"  # mov cl, bl; cmp cl, bl
    loop = until + bytes([0x74, 256 - len(until) - 2])  # je
    expect(status_of(start + loop) <= 0x80, "the high byte of a counter that was loaded with 0x8000")


@case()
def port_61_gates_the_second_counter():
    expect_equal(status_of(read(0x61)), 0, "port 0x61 of a guest that has set nothing")
    expect_equal(status_of(out(0x61, 1) + read(0x61)) & 1, 1, "the gate that its first write opens")
    expect_equal(status_of(out(0x61, 0) + read(0x61)) & 1, 0, "the gate that its first write closes")
    expect_equal(status_of(read(0x40) + out(0x61, 3) + read(0x61)) & 3, 3, "the gate that a later write opens")
    # The refresh bit toggles, for those who wait by it.
    first = read(0x61) + read(0x61) + b"\x24\x10\x88\xc3"  # and al, 0x10; mov bl, al
    again = read(0x61) + b"\x24\x10\x38\xd8"  # and al, 0x10; cmp al, bl
    expect(status_of(first + again + bytes([0x74, 256 - len(again) - 2])) in (0, 0x10), "port 0x61 stands still")


@case()
def odd_accesses_harm_nobody():
    wide = b"\xb8\xff\xff\xff\xff\xe7"  # mov eax, ~0; out port, eax
    for code in (wide + b"\x40", wide + b"\x41", wide + b"\x61", b"\x66\xb8\xe2\x34\x66\xe7\x42", out(0x43, 0xFF)):
        expect_equal(status_of(code + b"\xb0\x07"), 7, f"status of {code.hex()}")


@case()
def two_processors_at_once():
    expect_equal(status_of(out(0x43, 0x34) + b"\xb0\x05", "--vcpus", "2"), 5, "status")
