"""The process that stays outside of a jail's process namespace: signals, stops and ends go through it as if it were the
VM's own."""
import contextlib
import os
import re
import signal
import subprocess
import time

from kit import Skipped, case, expect, expect_equal, is_sanitized, monitor_pid, program

LIMIT_S = 20


def state(pid):
    """As in proc(5); "" when it is gone."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0]
    except OSError:
        return ""


def expect_soon(what, is_so):
    give_up = time.monotonic() + LIMIT_S
    while not is_so():
        expect(time.monotonic() < give_up, f"{what}, {LIMIT_S} s later")
        time.sleep(0.005)


@contextlib.contextmanager
def jailed(*words, **more):
    """A jailed VM that spins, and its monitor's process id."""
    if os.geteuid() != 0:
        raise Skipped("a jail with a user namespace is another case's")
    with subprocess.Popen(
        [program(), "run", "--jail", *words, "--", "quiet", "loop"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        **more,
    ) as vm:
        try:
            expect(vm.stdout.readline() != b"", "no guest")
            yield vm, monitor_pid(vm.pid)
        finally:
            vm.kill()


def expect_ended(vm, monitor, status):
    expect_equal(vm.wait(LIMIT_S), status, "status")
    expect_soon("its monitor runs", lambda: state(monitor) in ("", "Z", "X"))


@case()
def it_has_nothing_but_a_socket():
    with jailed() as (vm, monitor):
        expect(monitor != vm.pid, "there is none")
        with open(f"/proc/{monitor}/status", encoding="ascii") as status:
            expect(re.search(rf"^NSpid:\t{monitor}\t1$", status.read(), re.M), "it is not the first of a namespace")
        opened = sorted(os.readlink(f"/proc/{vm.pid}/fd/{fd}") for fd in os.listdir(f"/proc/{vm.pid}/fd"))
        expect(
            len(opened) == 2 and opened[0] == "anon_inode:[signalfd]" and opened[1].startswith("socket:"),
            f"the keeper has open: {opened}",
        )


@case()
def a_signal_ends_the_vm_as_without_a_jail():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        with jailed() as (vm, monitor):
            vm.send_signal(number)
            expect_ended(vm, monitor, 128 + number)


@case()
def a_signal_to_the_whole_group_counts_once():
    """As a terminal sends it. The second one would end it before its output and the trace."""
    with jailed("--trace", "/dev/stderr", stderr=subprocess.PIPE) as (vm, monitor):
        os.killpg(vm.pid, signal.SIGINT)
        said = vm.stderr.read()
        expect_ended(vm, monitor, 128 + signal.SIGINT)
        expect(b"traceEvents" in said or b'"ph"' in said, f"no trace: {said[:200]!r}")


@case()
def the_monitor_itself_takes_no_signal():
    with jailed() as (vm, monitor):
        numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGUSR1, signal.SIGTSTP]
        if not is_sanitized():  # it has a handler for that
            numbers.append(signal.SIGSEGV)
        for number in numbers:
            os.kill(monitor, number)
        time.sleep(0.2)
        expect_equal((vm.poll(), state(monitor) in "RS"), (None, True), "status of the keeper, and the monitor runs")
        vm.terminate()
        expect_ended(vm, monitor, 128 + signal.SIGTERM)


@case()
def neither_outlives_the_other():
    with jailed() as (vm, monitor):
        vm.kill()
        expect_ended(vm, monitor, -signal.SIGKILL)
    with jailed() as (vm, monitor):
        os.kill(monitor, signal.SIGKILL)
        expect_ended(vm, monitor, -signal.SIGKILL)
    with jailed() as (vm, monitor):
        vm.send_signal(signal.SIGUSR1)  # nobody's to heed: its default ends a process
        expect_ended(vm, monitor, -signal.SIGUSR1)


@case()
def both_stop_and_go_on():
    with jailed() as (vm, monitor):
        for _ in range(3):
            vm.send_signal(signal.SIGTSTP)
            expect_soon("not both are stopped", lambda: (state(vm.pid), state(monitor)) == ("T", "T"))
            vm.send_signal(signal.SIGCONT)
            expect_soon("not both go on", lambda: state(vm.pid) in "RS" and state(monitor) in "RS")
        vm.terminate()
        expect_ended(vm, monitor, 128 + signal.SIGTERM)


@case()
def a_stop_that_is_taken_back_at_once_is_none():
    """But for a microsecond in which the keeper has looked for it, and not yet stopped."""
    with jailed() as (vm, monitor):
        stand_still = 0
        for number in range(60):
            vm.send_signal(signal.SIGTSTP)
            time.sleep(number * 3e-6)
            vm.send_signal(signal.SIGCONT)
            time.sleep(0.02)
            if "T" in (state(vm.pid), state(monitor)):
                time.sleep(0.3)  # it may be on its way
                stand_still += state(vm.pid) == "T"
                vm.send_signal(signal.SIGCONT)
        expect(stand_still <= 2, f"{stand_still} of 60 times it stands still")
        vm.terminate()
        expect_ended(vm, monitor, 128 + signal.SIGTERM)


@case()
def reading_in_the_background_stops_nobody():
    """A terminal's driver sends these to the whole group."""
    with jailed() as (vm, monitor):
        for number in (signal.SIGTTIN, signal.SIGTTOU):
            os.killpg(vm.pid, number)
        time.sleep(0.2)
        expect_equal((state(vm.pid) in "RS", state(monitor) in "RS"), (True, True), "keeper and monitor run")
        vm.terminate()
        expect_ended(vm, monitor, 128 + signal.SIGTERM)


@case()
def what_the_caller_ignores_is_ignored():
    """As under nohup(1), in a jail and without."""

    def ignoring():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def expect_ignored(vm):
        vm.send_signal(signal.SIGHUP)
        time.sleep(0.2)
        expect_equal(vm.poll(), None, "status after SIGHUP")
        vm.terminate()
        expect_equal(vm.wait(LIMIT_S), 128 + signal.SIGTERM, "status after SIGTERM")

    with jailed(preexec_fn=ignoring) as (vm, _):
        expect_ignored(vm)
    with subprocess.Popen(
        [program(), "run", "--", "quiet", "loop"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, preexec_fn=ignoring
    ) as vm:
        expect(vm.stdout.readline() != b"", "no guest")
        expect_ignored(vm)


@case()
def a_crash_of_the_monitor_is_seen():
    """By the signal that ended it, as by a shell."""
    if is_sanitized():
        raise Skipped("a sanitizer takes that signal")
    with jailed() as (vm, monitor):
        threads = [int(task) for task in os.listdir(f"/proc/{monitor}/task")]
        os.kill(min(threads), signal.SIGKILL)
        expect_ended(vm, monitor, -signal.SIGKILL)
