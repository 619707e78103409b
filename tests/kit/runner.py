"""Runs the cases of a tier: each in processes of its own, within its time limit, and with a folder for its files."""
import argparse
import contextlib
import dataclasses
import importlib
import inspect
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import traceback

from kit import build, keeper
from kit.cases import Failed, Skipped, cases_of

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
SANITIZED_FACTOR = 3  # how much more time a case has in a build with a sanitizer


@dataclasses.dataclass
class Tier:
    suites: list  # the names of the modules with cases
    programs: tuple = ()  # of BUILD_DIR/bin; without any there is no BUILD_DIR
    when: str = "usual"  # of cases that do not say
    limit_s: float = 300
    needs_kvm: bool = False
    may_lack: tuple = ()  # modules of Python's without which a suite is skipped
    prepare: object = None  # called before a suite is imported


@dataclasses.dataclass
class Outcome:
    case: object
    result: str  # PASS, FAIL or SKIP
    reason: str
    seconds: float
    output: str = ""

    def print(self):
        took = f"({self.seconds:.1f} s)"
        print(
            f"PASS {self.case.name} {took}"
            if self.result == "PASS"
            else f"{self.result} {self.case.name}: {self.reason}"
        )
        if self.result == "FAIL" and self.output:
            print("\n".join(f"    {line}" for line in self.output.splitlines()[-20:]))
        sys.stdout.flush()


def work_of(case):
    """What the worker of a case does: returns its outcome as JSON."""

    def work():
        worker = os.getpid()

        def at_limit(number, _):
            if os.getpid() == worker:
                raise Failed("it was ended")
            signal.signal(number, signal.SIG_DFL)  # a fork of the case's own, of which somebody else wants to be rid
            os.kill(os.getpid(), number)

        signal.signal(signal.SIGTERM, at_limit)
        result, reason = "PASS", ""
        try:
            case.body()
        except Skipped as why:
            result, reason = "SKIP", str(why)
        except Failed as why:
            result, reason = "FAIL", str(why)
            if reason == "it was ended":
                reason = f"in {where_in(why.__traceback__, case)}"
        except AssertionError as why:
            result, reason = "FAIL", str(why) or traceback.format_exc()
        except BaseException:  # a broken test is a failed test, a sys.exit() too
            result, reason = "FAIL", traceback.format_exc()
        sys.stdout.flush()
        return json.dumps([result, reason[: keeper.MESSAGE_BYTES // 8]])

    return work


def where_in(trace, case):
    """The line of the case's own file that a trace goes through last."""
    file = inspect.unwrap(case.body).__code__.co_filename
    mine = [frame for frame in traceback.extract_tb(trace) if frame.filename == file]
    return f"{os.path.basename(mine[-1].filename)}:{mine[-1].lineno}: {mine[-1].line}" if mine else "no line of its own"


class Running:
    """A case at work, with a folder that is TMPDIR for all it starts, and a file for what they print."""

    def __init__(self, case, limit_s, patience_s=5.0):
        self.case, self.limit_s = case, limit_s
        self.folder = tempfile.mkdtemp(prefix="mayfly-case-")
        os.chmod(self.folder, 0o1777)  # as /tmp is: some of what runs in it is another user
        self.output = tempfile.TemporaryFile()
        work = work_of(case)

        def with_folder():
            os.environ["TMPDIR"] = tempfile.tempdir = self.folder
            return work()

        sys.stdout.flush()
        self.kept = keeper.start(with_folder, limit_s, output=self.output.fileno(), patience_s=patience_s)

    def outcome(self):
        """Waits for its end."""
        verdict = self.kept.verdict()
        remove_folder(self.folder)
        self.output.seek(0)
        output = self.output.read().decode(errors="replace")
        self.output.close()
        if verdict is None:
            return Outcome(self.case, "FAIL", "its keeper was killed", 0.0, output)
        result, reason = json.loads(verdict.message) if verdict.message else ("FAIL", f"it ended with {verdict.status}")
        if verdict.ended_by:
            why = f"the time limit of {self.limit_s:.0f} s passed" if verdict.ended_by == "limit" else "it was stopped"
            result, reason = "FAIL", f"{why}, {reason if verdict.message else 'and it did not end when asked to'}"
        elif verdict.left and result == "PASS":
            result, reason = "FAIL", f"it left processes behind: {' '.join(verdict.left)}"
        return Outcome(self.case, result, reason.strip(), verdict.seconds, output)


def remove_folder(folder):
    """A mount that a killed case has left is taken off first, not emptied."""
    with open("/proc/self/mountinfo", encoding="utf-8") as file:
        mounts = [line.split()[4] for line in file]
    for mount in reversed(mounts):
        if mount.startswith(f"{folder}/"):
            subprocess.run(["umount", "--lazy", mount], check=True)
    shutil.rmtree(folder, ignore_errors=True)


def kvm_problem():
    try:
        os.close(os.open("/dev/kvm", os.O_RDWR))
    except OSError as error:
        return f"/dev/kvm: {error.strerror}"
    return None


def load(tier):
    """(cases, outcomes of suites that cannot be loaded)."""
    cases, missing = [], []
    for name in tier.suites:
        try:
            cases += cases_of(importlib.import_module(name))
        except ModuleNotFoundError as error:
            if error.name not in tier.may_lack:
                raise
            suite = type("Suite", (), {"name": name})
            missing.append(Outcome(suite, "SKIP", f"Python's module {error.name} is missing", 0.0))
    for case in cases:
        case.when = case.when or tier.when
        case.limit_s = case.limit_s or tier.limit_s
        case.needs_kvm = tier.needs_kvm if case.needs_kvm is None else case.needs_kvm
    return cases, missing


def chosen(cases, asked):
    """Those that the options ask for."""
    whens = ["quick"] if asked.quick else ["quick", "usual", *(["long"] if asked.long else [])]
    return [case for case in cases if re.search(asked.filter, case.name) and case.when in whens]


class Stop(Exception):
    """A signal says that the run has to end."""


def run_all(cases, jobs, factor=1):
    """Yields the outcome of each, those that must be alone last. A signal ends all that runs before it ends us."""

    def stop(number, _):
        raise Stop(number)

    for number in STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish
            signal.signal(number, stop)
    running = {}
    waiting = sorted(cases, key=lambda case: bool(case.alone))
    try:
        while waiting or running:
            while waiting and len(running) < (1 if waiting[0].alone else jobs):
                case = waiting.pop(0)
                started = Running(case, case.limit_s * factor)
                running[started.kept.descriptor] = started
            for descriptor in select.select(list(running), [], [])[0]:
                yield running.pop(descriptor).outcome()
    finally:
        for number in STOPPING:
            signal.signal(number, signal.SIG_IGN)
        for one in running.values():
            one.kept.stop()
        for one in running.values():
            one.outcome()


def options(usage, tier):
    parser = argparse.ArgumentParser(description=usage, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="leave out what takes long")
    parser.add_argument("--long", action="store_true", help="also what takes minutes each")
    parser.add_argument("--filter", default="", metavar="REGEX", help="the cases whose name it finds")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), metavar="N", help="cases that run at once")
    if tier.programs:
        parser.add_argument("build", metavar="BUILD_DIR")
    return parser.parse_args()


def split(cases, sanitizer):
    """(cases to run, outcomes of those that cannot)."""
    if sanitizer:
        kept = [case for case in cases if case.gains_from(sanitizer)]
        print(f"{len(cases) - len(kept)} cases left out, which gain nothing from the {sanitizer} sanitizer", flush=True)
        cases = kept
    problem = kvm_problem()
    if problem is None:
        return cases, []
    unable = [Outcome(case, "SKIP", problem, 0.0) for case in cases if case.needs_kvm]
    if unable:
        print(f"no guest can run here: {problem}")
    return [case for case in cases if not case.needs_kvm], unable


def main(usage, tier):
    """Runs a tier as its command line says; the exit status."""
    asked = options(usage, tier)
    if tier.programs:
        build.set_build(asked.build, *tier.programs)
    if tier.prepare:
        tier.prepare()
    cases, missing = load(tier)
    sanitizer = build.sanitizer() if tier.programs else ""
    cases, unable = split(chosen(cases, asked), sanitizer)
    outcomes = missing + unable
    for outcome in outcomes:
        outcome.print()
    try:
        with contextlib.closing(run_all(cases, asked.jobs, SANITIZED_FACTOR if sanitizer else 1)) as runs:
            for outcome in runs:
                outcome.print()
                outcomes.append(outcome)
    except Stop as signalled:
        return 128 + signalled.args[0]
    counts = {name: sum(outcome.result == name for outcome in outcomes) for name in ("PASS", "FAIL", "SKIP")}
    print(f"{counts['PASS']} passed, {counts['FAIL']} failed, {counts['SKIP']} skipped")
    return 1 if counts["FAIL"] else 0
