"""What the report's cases share: declaring a case, running the program, and saying what was expected."""
import dataclasses
import os
import pathlib
import subprocess
import sys
import tempfile
import typing

TIME_LIMIT_S = 120  # generous: a slow machine is no failure, a hang is
_build = None


class Failed(Exception):
    pass


class Skipped(Exception):
    pass


@dataclasses.dataclass
class Case:
    name: str
    body: typing.Callable


def set_build(build):
    global _build
    if not os.access(build / "bin" / "mayfly-bench", os.X_OK):
        raise SystemExit(f"report: {build}/bin/mayfly-bench is missing; build it first")
    _build = build
    # The modules of the report, as they were built, for the cases that call them directly.
    sys.path.append(str(build / "lib" / "mayfly" / "bench-report"))


def output_folder():
    """Where pages and screenshots are left to be looked at."""
    folder = _build / "report"
    folder.mkdir(exist_ok=True)
    return folder


def case(body):
    """Declares a test case."""
    body.case = Case(f"{body.__module__}.{body.__name__}", body)
    return body


def cases_of(module):
    return [
        value.case for value in vars(module).values() if hasattr(value, "case") and value.__module__ == module.__name__
    ]


def program():
    return str(_build / "bin" / "mayfly-bench")


def package():
    return str(_build / "lib" / "mayfly" / "bench-report")


def report(*arguments, **more):
    """Runs `mayfly-bench report` to its end."""
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
    try:
        return subprocess.run([program(), "report", *arguments], text=True, timeout=TIME_LIMIT_S, check=False, **more)
    except subprocess.TimeoutExpired:
        raise Failed(f"report {' '.join(arguments)} did not end within {TIME_LIMIT_S} s") from None


def expect(condition, what):
    if not condition:
        raise Failed(what)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def expect_refused(result, *words, status=1):
    """One line on stderr that has all the words, and nothing drawn."""
    expect_equal(result.returncode, status, f"status ({result.stderr!r})")
    lines = result.stderr.splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    expect(lines[0].startswith("mayfly-bench: "), f"no prefix: {lines[0]!r}")
    expect(len(lines[0]) < 500, f"a line of {len(lines[0])} characters")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")


def scratch():
    """A folder that is gone after the case; `with scratch() as folder:` gives its path."""
    return Scratch(prefix="mayfly-report-")


class Scratch(tempfile.TemporaryDirectory):
    def __enter__(self):
        return pathlib.Path(super().__enter__())
