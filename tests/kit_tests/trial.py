"""A tier of a few cases, written for one test and run by the real runner."""
import pathlib
import subprocess
import textwrap
import time

from kit import expect

TESTS = pathlib.Path(__file__).resolve().parent.parent
RUN = """
import sys
sys.path[:0] = [{folder!r}, {tests!r}]
from kit import runner
sys.exit(runner.main("", runner.Tier(["trial_cases"], {more})))
"""
CASES = """
import os, pathlib, signal, subprocess, sys, time
from kit import Failed, Skipped, case, expect
HERE = pathlib.Path(__file__).parent
"""


def command(folder, cases, *arguments, more="limit_s=60"):
    """The command line that runs these cases, which are source text."""
    (folder / "trial_cases.py").write_text(CASES + textwrap.dedent(cases))
    (folder / "trial").write_text(RUN.format(folder=str(folder), tests=str(TESTS), more=more))
    return ["/usr/bin/python3", "-B", str(folder / "trial"), *arguments]


def run(folder, cases, *arguments, more="limit_s=60", **how):
    """(status, lines of stdout)."""
    done = subprocess.run(
        command(folder, cases, *arguments, more=more), capture_output=True, text=True, timeout=100, check=False, **how
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def wait_for(what, description, limit_s=60):
    give_up = time.monotonic() + limit_s
    while not what():
        expect(time.monotonic() < give_up, description)
        time.sleep(0.02)


# Processes that are hard to get rid of: one in a session of its own that ignores what asks for its end, and one whose
# parent has gone. Their numbers are in the file `pids`.
STUBBORN = """
def stubborn():
    script = "trap '' TERM INT HUP; echo $$ >>pids; (setsid sh -c 'echo $$ >>pids; exec sleep 1000' &); sleep 1000; sleep 1000"
    subprocess.Popen(["sh", "-c", script], cwd=HERE, start_new_session=True)
    while not (HERE / "pids").exists() or len((HERE / "pids").read_text().split()) < 2:
        time.sleep(0.01)
    (HERE / "ready").touch()
"""


def living(folder):
    """Those of the file that still run."""
    alive = []
    for pid in (folder / "pids").read_text().split():
        try:
            state = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state not in "ZX":
            alive.append(pid)
    return alive
