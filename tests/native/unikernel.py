"""What the words of the embedded unikernel print: see rootfs/unikernel/README.md."""


def fnv1a(data):
    """FNV-1a, 64 bits: what the unikernel's word `sum` prints."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def pattern_lines(count):
    """What the unikernel's word `print` prints."""
    return b"".join(pattern_line(number) for number in range(count))


def pattern_line(number):
    letters = bytes(ord("a") + (number + at) % 26 for at in range(52))
    return b"%010d %s\n" % (number, letters)
