"""A shell's jobs: in the background a VM runs on and leaves the terminal alone; in the foreground it has the keys."""
import contextlib
import fcntl
import os
import signal
import subprocess
import termios
import time

from keepers import expect_soon, state

from kit import Skipped, case, expect, expect_equal, monitor_pid, program, scratch
from kit.terminal import Terminal

LIMIT_S = 20
JAILS = ([], ["--jail"])


class Shell(Terminal):
    """This process as an interactive shell: the leader of a session with a controlling terminal."""

    def __init__(self):
        super().__init__()
        signal.signal(signal.SIGTTOU, signal.SIG_IGN)
        if os.getsid(0) != os.getpid():
            try:
                os.setsid()
            except PermissionError:  # the leader of a group
                raise Skipped("a case of its own process is needed") from None
        fcntl.ioctl(self.slave, termios.TIOCSCTTY, 1)

    def start(self, *words, is_in_background):
        """A job: a process group of its own."""

        def as_a_job():
            os.setpgid(0, 0)
            if not is_in_background:
                os.tcsetpgrp(self.slave, os.getpgrp())
            signal.signal(signal.SIGTTOU, signal.SIG_DFL)

        return subprocess.Popen(
            [program(), *words], stdin=self.slave, stdout=self.slave, stderr=self.slave, preexec_fn=as_a_job
        )

    def to_foreground(self, job):
        os.tcsetpgrp(self.slave, job.pid)

    def to_background(self):
        os.tcsetpgrp(self.slave, os.getpgrp())

    def type(self, keys):
        os.write(self.master, keys)

    @contextlib.contextmanager
    def job(self, *words, is_in_background):
        job = self.start(*words, is_in_background=is_in_background)
        try:
            yield job
        finally:
            self.to_background()
            job.kill()
            job.wait()


def expect_end(job, status):
    expect_equal(job.wait(LIMIT_S), status, "status")


@case()
def in_the_background_it_runs_and_ends():
    shell = Shell()
    for jail in JAILS:
        for words in (["quiet", "loop"], ["quiet", "echo"]):
            shell.output = b""
            with shell.job("run", *jail, "--", *words, is_in_background=True) as job:
                shell.read_until(b"Hello")
                shell.type(b"for the shell\n")
                time.sleep(0.3)
                expect(shell.is_restored(), "the terminal is not as it was")
                expect(b"for the shell" in os.read(shell.slave, 100), "the job has read what the shell should")
                expect(state(monitor_pid(job.pid)) in "RS", "it is stopped")
                job.terminate()
                expect_end(job, 128 + signal.SIGTERM)
                expect(shell.is_restored(), "the terminal is not as it was afterwards")


@case()
def brought_to_the_foreground_it_has_the_keys():
    """A shell sends no signal then to a job that runs already."""
    shell = Shell()
    for jail in JAILS:
        shell.output = b""
        with shell.job("run", *jail, "--", "quiet", "echo", is_in_background=True) as job:
            shell.read_until(b"Hello")
            shell.type(b"x\n")
            time.sleep(0.2)
            expect_equal(os.read(shell.slave, 100), b"x\n", "what the shell reads")
            shell.to_foreground(job)
            expect_soon("the terminal is not raw", shell.is_raw)
            shell.type(b"abc")
            shell.read_until(b"abc")
            shell.type(b"\x01x")
            expect_end(job, 0)
            expect(shell.is_restored(), "the terminal is not as it was")


@case()
def typing_at_the_shell_again_and_again_is_no_end_of_input():
    shell = Shell()
    for jail in JAILS:
        shell.output = b""
        with shell.job("run", *jail, "--", "quiet", "echo", is_in_background=True) as job:
            shell.read_until(b"Hello")
            for _ in range(6):
                shell.type(b"ls\n")
                time.sleep(0.05)
                expect_equal(os.read(shell.slave, 100), b"ls\n", "what the shell reads")
                shell.to_foreground(job)
                expect_soon("the terminal is not raw", shell.is_raw)
                os.killpg(job.pid, signal.SIGTSTP)
                expect_soon("it is not stopped", lambda: state(job.pid) == "T")
                shell.to_background()
                os.killpg(job.pid, signal.SIGCONT)
            shell.to_foreground(job)
            expect_soon("the terminal is not raw", shell.is_raw)
            shell.type(b"abc")
            shell.read_until(b"abc")
            shell.type(b"\x01x")
            expect_end(job, 0)


@case()
def stopped_and_continued_on_either_side():
    shell = Shell()
    for jail in JAILS:
        shell.output = b""
        with shell.job("run", *jail, "--", "quiet", "echo", is_in_background=False) as job:
            shell.read_until(b"Hello")
            expect_soon("the terminal is not raw", shell.is_raw)
            for _ in range(2):
                os.killpg(job.pid, signal.SIGTSTP)
                expect_soon("it is not stopped", lambda: state(job.pid) == state(monitor_pid(job.pid)) == "T")
                shell.to_background()
                expect(shell.is_restored(), "the terminal is not as it was for the shell")
                os.killpg(job.pid, signal.SIGCONT)  # bg
                expect_soon("it does not go on", lambda: state(job.pid) in "RS" and state(monitor_pid(job.pid)) in "RS")
                time.sleep(0.5)
                expect(shell.is_restored(), "the terminal is raw though it is the shell's")
                shell.to_foreground(job)  # fg
                os.killpg(job.pid, signal.SIGCONT)
                expect_soon("the terminal is not raw again", shell.is_raw)
            shell.type(b"def")
            shell.read_until(b"def")
            shell.type(b"\x04")
            expect_end(job, 0)
            expect(shell.is_restored(), "the terminal is not as it was afterwards")


@case()
def an_api_in_the_background_waits_for_clients():
    shell = Shell()
    with scratch() as folder:
        path = str(folder / "socket")
        with shell.job("--api-sock", path, is_in_background=True) as job:
            expect_soon("no socket", lambda: os.path.exists(path))
            job.terminate()
            expect_soon("it is still there", lambda: job.poll() is not None)
            expect(shell.is_restored(), "the terminal is not as it was")


@case()
def a_terminal_that_is_gone_is_the_end_of_input():
    """Not of another job: a guest that reads to the end of its input ends."""
    terminal = Terminal()
    with subprocess.Popen(
        [program(), "run", "--", "quiet", "echo"],
        stdin=terminal.slave,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    ) as vm:
        try:
            expect(vm.stdout.readline() != b"", "no guest")
            terminal.close()
            time.sleep(0.5)
            expect_equal(vm.poll(), None, "status")
            ticks = processor_ticks(vm.pid)
            time.sleep(0.5)
            expect(processor_ticks(vm.pid) - ticks < 20, "it spins over a terminal that is gone")
            vm.terminate()
            expect_end(vm, 128 + signal.SIGTERM)
        finally:
            vm.kill()


def processor_ticks(pid):
    """Of the threads that have no guest to run."""
    ticks = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/stat", encoding="ascii") as stat:
            name, _, rest = stat.read().partition("(")[2].rpartition(")")
        fields = rest.split()
        ticks += int(fields[11]) + int(fields[12]) if name in ("main", "io") else 0
    return ticks
