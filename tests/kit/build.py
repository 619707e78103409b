"""The programs under test, and files for them."""
import os
import pathlib
import re
import subprocess
import tempfile

from kit.cases import TIME_LIMIT_S, Failed

_build = None
_stand_in = None


def set_build(folder, *needed):
    """Names the build folder whose programs are tested."""
    global _build
    _build = pathlib.Path(folder).resolve()
    for name in needed:
        if not os.access(program(name), os.X_OK):
            raise SystemExit(f"tests: {program(name)} is missing; build it first")


def build_folder():
    return _build


def stand_in(path):
    """program() is this file from now on; None: the real one again."""
    global _stand_in
    _stand_in = path


def program(name="mayfly"):
    if name == "mayfly" and _stand_in:
        return _stand_in
    return str(_build / "bin" / name)


def sanitizer():
    """ "address" or "thread", with which the program is built; "" without."""
    with open(program(), "rb") as file:
        image = file.read()
    return "address" if b"__asan_init" in image else "thread" if b"__tsan_init" in image else ""


def libc():
    """What mayfly stands on: "glibc" or "musl"."""
    cache = (_build / "CMakeCache.txt").read_text()
    return "musl" if "MAYFLY_LIBC:STRING=musl" in cache else "glibc"


def is_sanitized():
    """A sanitizer makes system calls of its own."""
    return sanitizer() != ""


def mayfly(*arguments, stdin=b"", limit_s=TIME_LIMIT_S, **more):
    """Runs the program to its end; bytes in, bytes out."""
    try:
        return subprocess.run(
            [program(), *arguments], input=stdin, capture_output=True, timeout=limit_s, check=False, **more
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"mayfly {' '.join(arguments)} did not end within {limit_s} s") from None


def monitor_pid(pid):
    """The process that has the VM: that one, or in a jail its child, the first of a namespace, whose keeper it is."""
    for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split():
        status = pathlib.Path(f"/proc/{child}/status").read_text(encoding="utf-8")
        if re.search(r"^NSpid:\t.*\t1$", status, re.M):
            return int(child)
    return pid


def scratch_file(folder, name, content):
    path = pathlib.Path(folder) / name
    path.write_bytes(content)
    return str(path)


class scratch(tempfile.TemporaryDirectory):
    """A folder that is gone after the case; `with scratch() as folder:` gives its path."""

    def __enter__(self):
        return pathlib.Path(super().__enter__())
