"""mayfly-probe, which measures: what it is told, and what it found. METHOD.md, "The probe"."""

import dataclasses
import errno
import json
import os
import subprocess

from . import places, signals
from .failure import Failure, Interrupted, of_os_error
from .progress import Progress

START_LIMIT_MS = 30_000
RUN_MARK = "{run}"  # in a word of a program: the number of the round stands in its place
GIVEN_FD = 3
GIVEN_FILE = f"/proc/self/fd/{GIVEN_FD}"  # by which a program opens what it is given; it needs no clearing away


def program(name, words, **more):
    """A program as the probe starts it. `more`: environment, given (a file's content), errors (dropped, kept)."""
    return {"name": name, "words": [str(word) for word in words], **more}


@dataclasses.dataclass
class Absence:
    """Why a contestant was left out."""

    code: int
    reason: str
    last_words: str


class Contestant:
    """What takes its turn in each round. `plan`: fields of the probe's plan."""

    def __init__(self, name, way, program=None, limit_ms=START_LIMIT_MS, **plan):
        self.name = name
        self.program = program
        self.plan = {"name": name, "way": way, "limit_ms": limit_ms, **plan}
        if program is not None:
            self.plan["program"] = program
        self.clear()

    def clear(self):
        self.values = []  # a list for each round that counts
        self.left_files = []
        self.absence = None

    def column(self, at):
        return [values[at] for values in self.values]

    def take(self, turn):
        self.values.append(turn["values"])
        self.left_files.append(turn.get("left_file", ""))


class Probe:
    """A probe at work. It and all that it started end when this is left, and when this process ends in whatever way."""

    def __init__(self, task, fds=()):
        signals.check()
        try:
            self.process = subprocess.Popen(
                [places.PROBE, task, str(os.getpid())],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                pass_fds=fds,
                start_new_session=True,
            )
        except OSError as error:
            raise of_os_error(places.PROBE, error, "build it, or install it again") from None
        signals.forward_to(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        signals.forward_to(None)
        self.close_input()
        if self.process.poll() is None:
            self.process.terminate()
        self.process.stdout.close()
        self.process.wait()

    def tell(self, plan):
        try:
            self.process.stdin.write(json.dumps(plan).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass  # it has ended, and said why

    def close_input(self):
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass

    def next_record(self):
        """None: there are no more, and it ended well. Errors: what ended it."""
        line = self.process.stdout.readline()
        if not line.endswith(b"\n"):
            status = self.process.wait()
            if signals.was_signalled():
                raise Interrupted()
            if status != 0:
                raise Failure(f"mayfly-probe ended with status {status}")
            return None
        record = json.loads(line)
        if "error" in record:
            raise Interrupted() if record["code"] == errno.EINTR else Failure(record["error"], record["code"])
        return record

    def records(self):
        while (record := self.next_record()) is not None:
            yield record


def take_rounds(contestants, runs, warm_up=0, budget_s=0, leaves_out=False, title=None, is_logged=False, fds=()):
    """There and back (A B, B A), so that a drift of the machine falls on all alike. All contestants get as many values.

    `leaves_out`: one that fails gets an absence instead of its values; else it ends the rounds. Returns what ended them
    before their time, or None: what was finished counts."""
    plan = {
        "contestants": [one.plan for one in contestants],
        "runs": runs,
        "warm_up": warm_up,
        "budget_us": round(budget_s * 1e6),
        "leaves_out": leaves_out,
    }
    try:
        with Probe("rounds", fds) as probe, Progress(title, warm_up + runs, is_logged) as progress:
            probe.tell(plan)
            probe.close_input()
            for record in probe.records():
                if "absent" in record:
                    one = contestants[record["absent"]]
                    one.clear()
                    one.absence = Absence(record["code"], record["reason"], record["last_words"])
                    continue
                progress.step()
                for one, turn in zip(contestants, record["turns"]):
                    if record["counts"] and one.absence is None:
                        one.take(turn)
    except Failure as failure:
        return failure
    return None


def first_line(path, limit_ms=5000):
    """What `path --version` prints first within the limit. Errors: it cannot be started."""
    plan = {"program": program(os.path.basename(path), [path, "--version"], errors="dropped"), "limit_ms": limit_ms}
    with Probe("line") as probe:
        probe.tell(plan)
        probe.close_input()
        try:
            return probe.next_record()["line"]
        except Failure as failure:
            if failure.code == errno.ETIMEDOUT:
                return ""
            if isinstance(failure, Interrupted):
                raise
            raise Failure(f"{path}: {failure}", failure.code) from None


class Crew(Probe):
    """VMs that are kept until this is left."""

    def __init__(self):
        super().__init__("crew")
        self.pids = []

    def add(self, program, **plan):
        """One more, whose guest has printed. Errors: it does not come up; `code` says why."""
        self.tell({"name": program["name"], "program": program, "limit_ms": START_LIMIT_MS, **plan})
        record = self.next_record()
        if record is None or "pid" not in record:
            raise Failure(record["reason"], record["code"]) if record else Failure("mayfly-probe ended")
        self.pids.append(record["pid"])
        return record["pid"]
