"""However a run ends, no process of its cases is left, and none begins with signals that somebody else has ignored."""
import os
import pathlib
import signal
import subprocess
import textwrap
import time

import trial
from kit import case, expect, expect_equal, keeper, scratch

WAITS = (
    trial.STUBBORN
    + """
@case
def waits():
    stubborn()
    time.sleep(1000)
"""
)


def end_by(number):
    """The runner's exit status, in a run that this signal ends; and the processes that are left then."""
    with scratch() as folder:
        running = subprocess.Popen(trial.command(folder, WAITS, more="limit_s=1000"), stdout=subprocess.PIPE)
        try:
            trial.wait_for((folder / "ready").exists, "the case does not get ready")
            expect_equal(len(trial.living(folder)), 2, "processes before the end")
        finally:
            running.send_signal(number)
            running.communicate(timeout=60)
        left = trial.living(folder)
        trial.wait_for(lambda: not trial.living(folder), f"{trial.living(folder)} still run after signal {number}")
        return running.returncode, left


@case
def a_runner_that_is_killed_leaves_nothing():
    status, _ = end_by(signal.SIGKILL)  # who keeps its cases has to notice first
    expect_equal(status, -signal.SIGKILL, "status")


@case
def a_runner_that_is_asked_to_end_has_nothing_left_when_it_has():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        expect_equal(end_by(number), (128 + number, []), f"status and processes after signal {number}")


@case
def a_case_that_takes_too_long_ends_with_all_its_processes():
    cases = """
    @case(limit_s=2)
    def waits_in_a_line_that_is_named():
        stubborn()
        (HERE / "folder").write_text(os.environ["TMPDIR"])
        time.sleep(1000)
    @case(limit_s=2)
    def does_not_heed():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    @case
    def is_next(): pass
    """
    with scratch() as folder:
        status, lines = trial.run(folder, trial.STUBBORN + textwrap.dedent(cases), "--jobs", "1")
        expect_equal((status, lines[-1]), (1, "1 passed, 2 failed, 0 skipped"), f"status and last line of {lines}")
        text = "\n".join(lines)
        expect("waits_in_a_line_that_is_named: the time limit of 2 s passed, in trial_cases.py:" in text, text)
        expect("time.sleep(1000)" in text, text)
        expect("does_not_heed: the time limit of 2 s passed, and it did not end when asked to" in text, text)
        expect_equal(trial.living(folder), [], "processes left")
        expect(not pathlib.Path((folder / "folder").read_text()).exists(), "its folder is left")


@case
def a_process_that_outlives_its_case_is_named():
    def work():
        subprocess.Popen(["sleep", "1000"], start_new_session=True)
        return "done"

    verdict = keeper.start(work, 60, grace_s=0.3).verdict()
    expect_equal(
        (verdict.status, verdict.message, verdict.left), (0, "done", ["sleep"]), "status, word and what is left"
    )


@case
def a_process_that_ends_a_little_later_is_none():
    verdict = keeper.start(lambda: subprocess.Popen(["sleep", "0.2"]) and "", 60, grace_s=30).verdict()
    expect_equal((verdict.status, verdict.left), (0, []), "status and what is left")


@case
def signals_that_others_ignore_are_reset():
    cases = """
    @case
    def signals():
        status = subprocess.run(["cat", "/proc/self/status"], capture_output=True, text=True).stdout
        for word in ("SigIgn", "SigBlk"):
            mask = int(status.split(word + ":")[1].split()[0], 16)
            expect(mask == 0, f"{word} is {mask:x}")
        expect(os.path.samefile("/proc/self/fd/0", "/dev/null"), "stdin is not empty")
    """

    def as_nohup_and_more():
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGCHLD, signal.SIGUSR1):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGALRM, signal.SIGUSR2, signal.SIGCHLD])

    with scratch() as folder:
        status, lines = trial.run(folder, cases, preexec_fn=as_nohup_and_more, stdin=subprocess.PIPE)
        expect_equal((status, lines[-1]), (0, "1 passed, 0 failed, 0 skipped"), f"status and last line of {lines}")


@case
def who_ignores_a_hangup_goes_on():
    """What nohup is for: the runner does not take what it was told to ignore for an order to end."""
    cases = """
    @case
    def waits():
        (HERE / "ready").touch()
        while not (HERE / "go").exists():
            time.sleep(0.01)
    """
    with scratch() as folder:
        running = subprocess.Popen(
            trial.command(folder, cases),
            stdout=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN),
        )
        trial.wait_for((folder / "ready").exists, "the case does not get ready")
        os.kill(running.pid, signal.SIGHUP)
        time.sleep(0.2)
        (folder / "go").touch()
        output, _ = running.communicate(timeout=60)
        expect(output.endswith(b"1 passed, 0 failed, 0 skipped\n"), output)
