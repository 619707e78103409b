"""The steps of ./check: what they count, and that they end whatever comes."""
import signal
import subprocess

import trial
from kit import case, expect, expect_equal, scratch, steps
from kit.steps import Counts

RUN = """
import sys
sys.path.insert(0, {tests!r})
from kit import steps
from kit.steps import Step, as_suite
sys.exit(steps.run([{groups}], {folder!r}, {limit_s}))
"""


def command(folder, groups, limit_s=100):
    path = folder / "run"
    path.write_text(RUN.format(tests=str(trial.TESTS), groups=groups, folder=str(folder / "logs"), limit_s=limit_s))
    return ["/usr/bin/python3", "-B", str(path)]


def run(folder, groups, limit_s=100, **how):
    """(status, lines of stdout)."""
    done = subprocess.run(
        command(folder, groups, limit_s), capture_output=True, text=True, timeout=100, check=False, cwd=folder, **how
    )
    return done.returncode, (done.stdout + done.stderr).splitlines()


def rows(lines):
    """{tier: (passed, failed, skipped)} of the table."""
    at = next(number for number, line in enumerate(lines) if line.startswith("tier "))
    table = [line.split() for line in lines[at + 1 : lines.index("", at)]]
    return {" ".join(words[:-4]): tuple(int(word) for word in words[-4:-1]) for words in table}


@case
def the_sums():
    groups = """
    [Step("good", "true", 9), Step("bad", "echo 'x.cpp:1: error: no'; false", 9)],
    [Step("suite", "echo PASS a; echo PASS b; echo 'SKIP c: no reason'; echo 'FAIL d: it had to'; false", 9, as_suite)],
    [Step("absent", "false", 9, skipped="it cannot be")],
    """
    with scratch() as folder:
        status, lines = run(folder, groups)
        wanted = {"good": (1, 0, 0), "bad": (0, 1, 0), "suite": (2, 1, 1), "absent": (0, 0, 1)}
        expect_equal((status, rows(lines)), (1, wanted), "status and table")
        expect_equal(lines[-1], "3 passed, 2 failed, 2 skipped", "the last line")
        for line in ("x.cpp:1: error: no", "FAIL d: it had to", "  suite: c: no reason", "  absent: it cannot be"):
            expect(line in lines, f"{line!r} is not in {lines}")
        expect("PASS a" not in lines, "what passed is shown")
        expect_equal(run(folder, '[Step("good", "true", 9)]')[0], 0, "status of what is good")


@case
def a_step_that_takes_too_long_is_one_that_failed():
    groups = """
    [Step("slow", "trap '' TERM; echo $$ >>pids; (setsid sh -c 'echo $$ >>pids; exec sleep 1000' &); sleep 1000; sleep 1000", 2)],
    [Step("next", "true", 9)],
    """
    with scratch() as folder:
        status, lines = run(folder, "setattr(steps, 'PATIENCE_S', 1) or " + groups.strip())
        expect_equal((status, rows(lines)), (1, {"slow": (0, 1, 0), "next": (1, 0, 0)}), "status and table")
        expect(any(line.startswith("FAIL slow: ended after 2 s") for line in lines), lines)
        expect_equal(trial.living(folder), [], "processes left")


@case
def what_the_time_does_not_reach_has_failed():
    groups = (
        """[Step("long", "sleep 1000", 900)], [Step("never", "true", 900), Step("absent", "true", 9, skipped="so")]"""
    )
    with scratch() as folder:
        status, lines = run(folder, groups, limit_s=2)
        wanted = {"long": (0, 1, 0), "absent": (0, 0, 1), "never": (0, 1, 0)}
        expect_equal((status, rows(lines)), (1, wanted), "status and table")
        expect("FAIL never: not run, as the time of the whole run is over" in lines, lines)


@case
def steps_of_a_group_run_at_once():
    meets = "touch {0}; for i in $(seq 3000); do [ -e {1} ] && exit 0; sleep 0.01; done; exit 1"
    groups = f"[Step('one', {meets.format('1', '2')!r}, 60), Step('two', {meets.format('2', '1')!r}, 60)]"
    with scratch() as folder:
        status, lines = run(folder, groups)
        expect_equal((status, rows(lines)), (0, {"one": (1, 0, 0), "two": (1, 0, 0)}), "status and table")


@case
def a_suite_that_does_not_say_what_failed_has_failed():
    for log, succeeded, wanted in (
        ("PASS a\n", True, Counts(1, 0, 0)),
        ("PASS a\n", False, Counts(1, 1, 0)),
        ("PASS a\nFAIL b: c\n", False, Counts(1, 1, 0)),
        ("Traceback\n", False, Counts(0, 1, 0)),
        ("", True, Counts(0, 1, 0)),
    ):
        expect_equal(steps.as_suite(log, succeeded)[0], wanted, f"counts of {log!r}, {succeeded}")


CTEST = """Test project /build/dev
      Start  1: Log.writes
 1/4 Test  #1: Log.writes .......................   Passed    0.01 sec
 2/4 Test  #2: Ring.takes_what_is_there .........***Failed    0.02 sec
what it said
 3/4 Test  #3: Landlock.forbids .................***Skipped   0.00 sec
 4/4 Test  #4: Thread.ends ......................***Exception: SegFault  0.10 sec

50% tests passed, 2 tests failed out of 4
SKIP Landlock.forbids: this kernel has none
"""


@case
def what_ctest_says():
    counts, shown, reasons = steps.as_ctest(CTEST, False)
    expect_equal(counts, Counts(1, 2, 1), "counts")
    expect("what it said" in shown, f"no word of what failed: {shown}")
    expect_equal(reasons, ["Landlock.forbids: this kernel has none"], "reasons")
    expect_equal(
        steps.as_ctest("x.cpp:1: error: no\nninja: build stopped", False)[0], Counts(0, 1, 0), "a broken build"
    )
    expect_equal(steps.as_ctest("No tests were found!!!", True)[0], Counts(0, 1, 0), "no test")


@case
def signals_that_nohup_and_a_shell_ignore_are_reset():
    def ignoring():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_IGN)

    groups = """[Step("signals", "grep -q '^SigIgn:.0*$' /proc/self/status", 9)]"""
    with scratch() as folder:
        for stdin in (subprocess.DEVNULL, subprocess.PIPE):
            status, lines = run(folder, groups, preexec_fn=ignoring, stdin=stdin)
            expect_equal((status, lines[-1]), (0, "1 passed, 0 failed, 0 skipped"), f"status and last line of {lines}")


@case
def a_killed_run_leaves_nothing():
    groups = """[Step("stubborn", "echo $$ >>pids; (setsid sh -c 'echo $$ >>pids; exec sleep 1000' &); sleep 1000; true", 900)]"""
    with scratch() as folder:
        (folder / "pids").touch()
        running = subprocess.Popen(command(folder, groups), cwd=folder, stdout=subprocess.DEVNULL)
        trial.wait_for(lambda: len(trial.living(folder)) == 2, "the step does not get ready")
        running.kill()
        running.wait()
        trial.wait_for(lambda: not trial.living(folder), "processes are left")


@case
def a_long_step_shows_that_it_lives():
    groups = "setattr(steps, 'SHOWN_EVERY_S', 0.1) or " + """[Step("slow", "echo one of two; sleep 2.5", 30)]"""
    with scratch() as folder:
        _, lines = run(folder, groups)
        expect(any(line.startswith(".. slow: ") and line.endswith(", one of two") for line in lines), lines)
