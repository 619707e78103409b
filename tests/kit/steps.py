"""What ./check is made of: steps, each with a time limit and a log, groups of them that run at once, and their sums."""
import dataclasses
import pathlib
import re
import select
import shutil
import signal
import sys
import time

from kit import keeper

PATIENCE_S = 20  # from a step's time limit to the end of all its processes
SHOWN_EVERY_S = 60
TELLING = re.compile(r"error:|error |FAILED|Stack dump|While analyzing|Error evaluating")


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0


def as_one(log, succeeded):
    """A step that passes or fails as a whole: (counts, lines to show, reasons of what was skipped)."""
    if succeeded:
        return Counts(passed=1), [], []
    lines = log.splitlines()
    telling = [line for line in lines[:-40] if TELLING.search(line)]
    return Counts(failed=1), telling[:20] + lines[-40:], []


def as_suite(log, succeeded):
    """A program that prints PASS, FAIL and SKIP lines."""
    lines = log.splitlines()
    passed, failed, skipped = (
        [line for line in lines if line.startswith(f"{word} ")] for word in ("PASS", "FAIL", "SKIP")
    )
    counts = Counts(len(passed), len(failed), len(skipped))
    shown = [line for line in lines if not line.startswith("PASS ")]
    if counts == Counts() or (not succeeded and not failed):
        counts.failed += 1
        shown = shown[-60:]
    return counts, shown, [line.removeprefix("SKIP ") for line in skipped]


CTEST = re.compile(r"^ *\d+/\d+ Test +#\d+: (\S+) [ .]*(\*\*\*)?([A-Z][A-Za-z :]*?) +[\d.]+ sec", re.MULTILINE)


def as_ctest(log, succeeded):
    """A build, ctest, and lines SKIP TEST: REASON."""
    results = CTEST.findall(log)
    bad = [name for name, _, result in results if result not in ("Passed", "Skipped")]
    skipped = sum(result == "Skipped" for _, _, result in results)
    reasons = [line.removeprefix("SKIP ") for line in log.splitlines() if line.startswith("SKIP ")]
    counts = Counts(len(results) - len(bad) - skipped, len(bad), skipped)
    if not results or (not succeeded and not bad):
        counts.failed += 1
    if not counts.failed:
        return counts, [], reasons
    lines = [line for line in log.splitlines() if not re.search(r" Passed +[\d.]+ sec$", line)]
    return counts, [line for line in lines[:-60] if "error:" in line][:20] + lines[-60:], reasons


@dataclasses.dataclass
class Step:
    """`command` is a list of words, or a line for bash. `skipped` is the reason why it cannot run here."""

    name: str
    command: object
    limit_s: float
    count: object = as_one
    skipped: str = ""


@dataclasses.dataclass
class Tally:
    step: Step
    counts: Counts
    reasons: list
    seconds: float


class Running:
    def __init__(self, step, folder, limit_s):
        self.step, self.started, self.limit_s = step, time.monotonic(), limit_s
        self.path = folder / (re.sub(r"[^a-z]+", "-", step.name.lower()).strip("-") + ".log")
        words = ["bash", "-c", step.command] if isinstance(step.command, str) else step.command
        with open(self.path, "wb") as log:
            self.kept = keeper.start(lambda: keeper.execute(words), limit_s, output=log.fileno(), patience_s=PATIENCE_S)

    def log(self):
        return self.path.read_bytes().decode(errors="replace")

    def progress(self):
        """How far it is, in its own last words."""
        took = f"{self.step.name}: {time.monotonic() - self.started:.0f} s"
        lines = self.log().splitlines()
        if self.step.count is as_suite:
            done = sum(line.startswith(("PASS ", "FAIL ", "SKIP ")) for line in lines)
            return f"{took}, {done} cases"
        return f"{took}, {lines[-1][:60]}" if lines else took

    def tally(self):
        """Waits for its end, and says how it went."""
        verdict = self.kept.verdict()
        log = self.log()
        succeeded = verdict is not None and verdict.status == 0 and not verdict.ended_by
        counts, shown, reasons = self.step.count(log, succeeded)
        if verdict is not None and verdict.ended_by:
            counts.failed = max(counts.failed, 1)
            why = f"ended after {self.limit_s:.0f} s" if verdict.ended_by == "limit" else "stopped"
            shown.append(f"FAIL {self.step.name}: {why}; what it said is in {self.path}")
        seconds = time.monotonic() - self.started
        say_lines(shown)
        print(f"== {self.step.name}: {seconds:.0f} s" + (", FAILED" if counts.failed else ""), flush=True)
        return Tally(self.step, counts, reasons, seconds)


def say_lines(lines):
    if lines:
        print("\n".join(lines), flush=True)


class Progress:
    """One line that moves on a terminal, and a line now and then in a file."""

    def __init__(self):
        self.moves, self.is_shown = sys.stdout.isatty(), False
        self.next = time.monotonic() + SHOWN_EVERY_S

    def show(self, running):
        if self.moves or time.monotonic() >= self.next:
            line = " | ".join(one.progress() for one in running)
            self.next = time.monotonic() + SHOWN_EVERY_S
            line = line[: shutil.get_terminal_size().columns - 1] if self.moves else line
            print(f"\r{line}\033[K" if self.moves else f".. {line}", end="" if self.moves else "\n", flush=True)
            self.is_shown = self.moves

    def hide(self):
        if self.is_shown:
            print("\r\033[K", end="", flush=True)
            self.is_shown = False


class Stop(Exception):
    """A signal asks for the end."""


def run_group(group, folder, deadline):
    """Runs steps at once: their tallies. What the time does not reach has failed, and says so."""
    tallies, running, progress = [], {}, Progress()
    for step in group:
        left_s = deadline - time.monotonic()
        if step.skipped:
            print(f"== {step.name}: SKIPPED: {step.skipped}", flush=True)
            tallies.append(Tally(step, Counts(skipped=1), [step.skipped], 0.0))
        elif left_s <= 0:
            print(f"FAIL {step.name}: not run, as the time of the whole run is over", flush=True)
            tallies.append(Tally(step, Counts(failed=1), [], 0.0))
        else:
            one = Running(step, folder, min(step.limit_s, left_s))
            running[one.kept.descriptor] = one
    try:
        while running:
            for descriptor in select.select(list(running), [], [], 1.0)[0]:
                progress.hide()
                tallies.append(running.pop(descriptor).tally())
            if running:
                progress.show(running.values())
    finally:
        progress.hide()
        if running:  # a signal has come
            for one in running.values():
                one.kept.stop()
            for one in running.values():
                one.kept.verdict()
    return tallies


def stop_on_signals():
    def stop(number, _):
        for other in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(other, signal.SIG_IGN)
        raise Stop(number)

    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # nohup's wish
            signal.signal(number, stop)


def table(tallies):
    """The sums, of which the last line is for machines; the exit status."""
    print(f"\n{'tier':<16} {'passed':>8} {'failed':>8} {'skipped':>8} {'seconds':>8}")
    for one in tallies:
        counts = one.counts
        print(f"{one.step.name:<16} {counts.passed:>8} {counts.failed:>8} {counts.skipped:>8} {one.seconds:>8.0f}")
    reasons = [f"  {one.step.name}: {reason}" for one in tallies for reason in one.reasons]
    if reasons:
        print("\nskipped:\n" + "\n".join(reasons))
    passed, failed, skipped = (
        sum(getattr(one.counts, name) for one in tallies) for name in ("passed", "failed", "skipped")
    )
    print(f"\n{passed} passed, {failed} failed, {skipped} skipped", flush=True)
    return 1 if failed else 0


def run(groups, folder, limit_s):
    """Runs groups one after another; the exit status."""
    deadline = time.monotonic() + limit_s
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    stop_on_signals()
    tallies = []
    try:
        for group in groups:
            tallies += run_group(group, folder, deadline)
    except Stop as signalled:
        print(f"check: stopped by signal {signalled.args[0]}", file=sys.stderr)
        return 128 + signalled.args[0]
    return table(tallies)
