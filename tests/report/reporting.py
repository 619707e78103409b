"""The report under test: `mayfly-bench report`, and where it leaves what is to be looked at."""
import subprocess
import sys

import kit
from kit import TIME_LIMIT_S, Failed


def add_modules():
    """The modules of the report, as they were built, for the cases that call them directly."""
    sys.path.append(package())


def output_folder():
    """Where pages and screenshots are left to be looked at."""
    folder = kit.build_folder() / "report"
    folder.mkdir(exist_ok=True)
    return folder


def program():
    return kit.program("mayfly-bench")


def package():
    return str(kit.build_folder() / "lib" / "mayfly" / "bench")


def report(*arguments, **more):
    """Runs `mayfly-bench report` to its end."""
    more = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL, **more}
    try:
        return subprocess.run([program(), "report", *arguments], text=True, timeout=TIME_LIMIT_S, check=False, **more)
    except subprocess.TimeoutExpired:
        raise Failed(f"report {' '.join(arguments)} did not end within {TIME_LIMIT_S} s") from None


def expect_refused(result, *words, status=1):
    """One line on stderr that has all the words, and nothing drawn."""
    kit.expect(len(result.stderr) < 500, f"a line of {len(result.stderr)} characters")
    kit.expect_refused(result, *words, status=status, program="mayfly-bench", is_silent=False)
