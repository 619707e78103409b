"""A terminal on stdin: raw while the guest runs, the user's again afterwards, and the escape keys."""
import os
import select
import signal
import subprocess
import time

from kit import Failed, case, expect, expect_equal, program
from kit.terminal import Terminal


class TerminalSession(Terminal):
    """The program on a pseudo-terminal; we hold the other side."""

    def __init__(self, *words, flags=()):
        super().__init__()
        self.process = subprocess.Popen(
            [program(), "run", *flags, "--", *words],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            start_new_session=True,
        )

    def wait_for_threads(self):
        """Until all threads are there and at rest: TSan's runtime does not take a SIGSEGV while it starts one."""
        tasks = f"/proc/{self.process.pid}/task"
        names = set()
        deadline = time.monotonic() + 30
        while "io" not in names and time.monotonic() < deadline:
            names = set()
            for task in os.listdir(tasks):
                with open(f"{tasks}/{task}/comm", encoding="ascii") as comm:
                    names.add(comm.read().strip())
            time.sleep(0.2)

    def type(self, keys):
        os.write(self.master, keys)

    def end(self):
        try:
            status = self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise Failed("still running after 30 s") from None
        while select.select([self.master], [], [], 0.1)[0]:
            self.output += os.read(self.master, 4096)
        return status


@case()
def control_a_x_ends_the_machine():
    session = TerminalSession("quiet", "loop")
    session.read_until(b"Hello")
    expect(session.is_raw(), "the terminal is not raw while the guest runs")
    session.type(b"\x01x")
    expect_equal(session.end(), 0, "status")
    expect(session.is_restored(), "the terminal was not restored")


@case()
def control_a_h_helps():
    session = TerminalSession("quiet", "loop")
    session.read_until(b"Hello")
    session.type(b"\x01h")
    session.read_until(b"Ctrl-A x ends the VM")
    session.type(b"\x01x")
    expect_equal(session.end(), 0, "status")


@case()
def other_keys_reach_the_guest():
    session = TerminalSession("quiet", "echo")
    session.read_until(b"Hello")
    session.type(b"ab\x03\x1a\x01\x01\x01ac\x01?")  # Ctrl-C, Ctrl-Z, two escaped Ctrl-A
    session.read_until(b"ab\x03\x1a\x01\x01c")
    session.type(b"\x04")
    expect_equal(session.end(), 0, "status")
    expect(session.is_restored(), "the terminal was not restored")


@case()
def restored_after_every_ending():
    for words, status in ((["exit=5"], 5), (["crash"], 126), (["reset"], 0)):
        session = TerminalSession(*words)
        expect_equal(session.end(), status, f"status of {words}")
        expect(session.is_restored(), f"the terminal was not restored after {words}")


@case()
def restored_after_signals():
    ending = [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT]
    ending += [signal.SIGSEGV, signal.SIGABRT, signal.SIGFPE, signal.SIGILL, signal.SIGTRAP, signal.SIGSTKFLT]
    ending += [signal.SIGUSR1, signal.SIGUSR2, signal.SIGXCPU, signal.SIGVTALRM, signal.SIGPROF]
    ending += [signal.SIGIO, signal.SIGPWR, signal.SIGALRM, signal.SIGBUS]
    # Of a jail the keeper is killed, or the monitor: the keeper restores it.
    jailed = [(number, ["--jail"]) for number in (signal.SIGTERM, signal.SIGUSR1, signal.SIGPWR, signal.SIGSEGV)]
    for number, flags in [(number, []) for number in ending] + (jailed if os.geteuid() == 0 else []):
        session = TerminalSession("quiet", "loop", flags=flags)
        session.read_until(b"Hello")
        if not flags:
            session.wait_for_threads()
        expect(session.is_raw(), "the terminal is not raw")
        session.process.send_signal(number)
        status = session.end()
        expect(status in (128 + number, -number), f"status {status} after signal {number}")
        expect(session.is_restored(), f"the terminal was not restored after signal {number}")


@case()
def restored_after_bad_input():
    session = TerminalSession()
    session.end()
    terminal = Terminal()
    result = subprocess.run(
        [program(), "run", "--kernel", "/absent"], stdin=terminal.slave, check=False, capture_output=True
    )
    expect_equal(result.returncode, 125, "status")
    expect(terminal.is_restored(), "the terminal was not restored")
    terminal.close()


@case()
def stopped_and_continued():
    session = TerminalSession("quiet", "loop")
    session.read_until(b"Hello")
    session.process.send_signal(signal.SIGTSTP)
    deadline = time.monotonic() + 20
    while not session.is_restored() and time.monotonic() < deadline:
        time.sleep(0.02)
    expect(session.is_restored(), "the terminal was not restored while the process is stopped")
    session.process.send_signal(signal.SIGCONT)
    while not session.is_raw() and time.monotonic() < deadline:
        time.sleep(0.02)
    expect(session.is_raw(), "the terminal is not raw again after SIGCONT")
    session.type(b"\x01x")
    expect_equal(session.end(), 0, "status")
