"""What the native cases share: declaring a case, running the program, and saying what was expected."""
import dataclasses
import os
import pathlib
import subprocess
import typing

TIME_LIMIT_S = 120  # generous: a slow machine is no failure, a hang is
_program = None


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


@dataclasses.dataclass
class Case:
    name: str
    body: typing.Callable
    needs_kvm: bool
    is_slow: bool


def set_program(path):
    global _program
    if not os.access(path, os.X_OK):
        raise SystemExit(f"native: {path} is missing; build it first")
    _program = path


def program():
    return str(_program)


def is_sanitized():
    """Whether the program is built with a sanitizer, which makes system calls of its own."""
    with open(program(), "rb") as file:
        image = file.read()
    return b"__asan_init" in image or b"__tsan_init" in image


def case(needs_kvm=True, is_slow=False):
    """Declares a test case; `needs_kvm=False` for what must work on any machine; a slow one takes over 5 seconds."""

    def declare(body):
        body.case = Case(f"{body.__module__}.{body.__name__}", body, needs_kvm, is_slow)
        return body

    return declare


def cases_of(module):
    return [
        value.case for value in vars(module).values() if hasattr(value, "case") and value.__module__ == module.__name__
    ]


def mayfly(*arguments, stdin=b"", limit_s=TIME_LIMIT_S, **more):
    """Runs the program to its end; bytes in, bytes out."""
    try:
        return subprocess.run(
            [program(), *arguments], input=stdin, capture_output=True, timeout=limit_s, check=False, **more
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"mayfly {' '.join(arguments)} did not end within {limit_s} s") from None


def expect(condition, what):
    if not condition:
        raise Failed(what)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def expect_refused(result, *words):
    """The monitor failed before any guest ran: status 125 and one line that has all the words."""
    expect_equal(result.returncode, 125, f"status ({result.stderr!r})")
    expect_equal(result.stdout, b"", "stdout")
    lines = result.stderr.decode().splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    expect(lines[0].startswith("mayfly: "), f"no prefix: {lines[0]!r}")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")


def fnv1a(data):
    """FNV-1a, 64 bits: what the unikernel's word `sum` prints."""
    value = 0xCBF29CE484222325
    for byte in data:
        value = ((value ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return f"{value:016x}"


def pattern_lines(count):
    """What the unikernel's word `print` prints: see rootfs/unikernel/README.md."""
    return b"".join(pattern_line(number) for number in range(count))


def pattern_line(number):
    letters = bytes(ord("a") + (number + at) % 26 for at in range(52))
    return b"%010d %s\n" % (number, letters)


def scratch_file(folder, name, content):
    path = pathlib.Path(folder) / name
    path.write_bytes(content)
    return str(path)
