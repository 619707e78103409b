"""Logs, output and reports that nobody reads: they hold up neither the guest's end nor, for long, the process's."""
import contextlib
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import termios
import time

from bad_input import kernel_of
from devices import disk
from kit import Failed, Skipped, build_folder, case, expect, expect_equal, is_sanitized, program
from kit.build import stand_in
from kit.terminal import Terminal
from pc_timer import pvh_kernel

WINDOW, WINDOW_BYTES = 0xC0001000, 0x1000
# Of a driver that offers a queue which is too long: DEVICE_NEEDS_RESET, and a line that says so.
STATUS, SELECTOR, FEATURES, QUEUE, LENGTH, READY = 0x70, 0x24, 0x20, 0x30, 0x38, 0x44
BROKEN_DRIVER = [
    (STATUS, 0),
    (STATUS, 3),
    (SELECTOR, 1),
    (FEATURES, 1),
    (STATUS, 11),
    (QUEUE, 0),
    (LENGTH, 0xFFFF),
    (READY, 1),
]
LINE = b"is more than QueueNumMax"
SOON_S = 20  # more than the monitor's patience, even on a busy machine; what is held up is held up for ever


def complaining_guest(folder, devices=1):
    """A kernel that has its devices complain, again and again."""
    code = b"".join(
        b"\xc7\x05" + struct.pack("<II", WINDOW + device * WINDOW_BYTES + register, value)  # mov dword [...], value
        for device in range(devices)
        for register, value in BROKEN_DRIVER
    )
    code += b"\xe9" + struct.pack("<i", -len(code) - 5)  # jmp to the first
    disks = [word for number in range(devices) for word in ("--disk", disk(folder, 1, f"disk{number}"))]
    return ["--memory", "16M", "--kernel", pvh_kernel(folder, code), *disks]


class Pipe:
    """One that is full, unless `is_full` is false, and that nobody reads until read() does."""

    def __init__(self, is_full=True):
        self.reader, self.writer = os.pipe()
        flags = fcntl.fcntl(self.writer, fcntl.F_GETFL)
        fcntl.fcntl(self.writer, fcntl.F_SETFL, flags | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while is_full:
                os.write(self.writer, b"." * 4096)
        fcntl.fcntl(self.writer, fcntl.F_SETFL, flags)
        fcntl.fcntl(self.reader, fcntl.F_SETFL, os.O_NONBLOCK)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.reader)
        os.close(self.writer)

    def expect_untouched(self):
        """Who shares it finds it as it was."""
        expect_equal(fcntl.fcntl(self.writer, fcntl.F_GETFL) & os.O_NONBLOCK, 0, "O_NONBLOCK of the caller's pipe")

    def read(self):
        read = b""
        with contextlib.suppress(BlockingIOError):
            while chunk := os.read(self.reader, 1 << 20):
                read += chunk
        return read.lstrip(b".")


@contextlib.contextmanager
def started(*arguments, **more):
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, **more}
    process = subprocess.Popen([program(), *arguments], **streams)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def expect_end(process, status):
    began = time.monotonic()
    try:
        expect_equal(process.wait(SOON_S), status, "status")
    except subprocess.TimeoutExpired:
        raise Failed(f"it still is there after {SOON_S} s") from None
    return time.monotonic() - began


@case()
def a_log_that_nobody_reads_does_not_hold_up_the_time_limit():
    with tempfile.TemporaryDirectory() as folder, Pipe() as log:
        with started("run", "--timeout", "1s", *complaining_guest(folder), stderr=log.writer) as process:
            expect_end(process, 124)
        log.expect_untouched()


@case()
def a_log_that_nobody_reads_does_not_hold_up_a_signal():
    for number in (signal.SIGTERM, signal.SIGINT):
        with tempfile.TemporaryDirectory() as folder, Pipe() as log:
            with started("run", *complaining_guest(folder), stderr=log.writer) as process:
                time.sleep(1)
                process.send_signal(number)
                expect_end(process, 128 + number)


@case()
def lines_that_were_lost_are_counted():
    with tempfile.TemporaryDirectory() as folder, Pipe() as log:
        with started("run", "--timeout", "3s", *complaining_guest(folder), stderr=log.writer) as process:
            time.sleep(1.5)
            log.read()
            expect_end(process, 124)
        lines = log.read().splitlines()
        expect_equal(lines[0], b"mayfly: 10 lines of the log were lost here: nobody took them", f"first of {lines}")
        expect(lines[-1].startswith(b"mayfly: --timeout: "), f"last of {lines}")


@case()
def another_users_pipe_is_not_waited_for_either():
    """It cannot be opened again: lines are kept until the guest has ended."""
    if os.geteuid() != 0:
        raise Skipped("becoming another user needs root")
    as_nobody = {"user": 65534, "group": os.stat("/dev/kvm").st_gid, "extra_groups": []}
    for is_full in (True, False):
        with tempfile.TemporaryDirectory() as folder, Pipe(is_full) as log:
            os.chmod(folder, 0o755)
            words = complaining_guest(folder)
            os.chmod(words[-1], 0o666)
            with started("run", "--timeout", "1s", *words, stderr=log.writer, **as_nobody) as process:
                expect_end(process, 124)
            lines = log.read().splitlines()
            expect_equal(sum(LINE in line for line in lines), 0 if is_full else 10, f"lines in {lines}")
            log.expect_untouched()
    # Output to it is whole, and what is not read does not hold up the end.
    with Pipe(False) as output:
        with started(
            "run", "--timeout", "60s", "--", "silent", "print=512", stdout=output.writer, **as_nobody
        ) as process:
            expect_end(process, 0)
        expect_equal(len(output.read()), 512 * 64, "bytes of output")
    with Pipe() as output:
        with started(
            "run", "--timeout", "1s", "--", "silent", "print=512", stdout=output.writer, **as_nobody
        ) as process:
            expect_end(process, 0)


@case()
def what_a_guest_causes_is_limited_in_all():
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "log")
        with open(log, "wb") as stderr:
            with started("run", "--timeout", "9s", *complaining_guest(folder, 19), stderr=stderr) as process:
                expect_end(process, 124)
        with open(log, "rb") as file:
            lines = file.read().splitlines()
        expect_equal(
            lines[-2], b"mayfly: the guest has caused 256 lines; no more of them are logged", "the last but one"
        )
        expect(lines[-1].startswith(b"mayfly: --timeout: "), f"the last: {lines[-1]!r}")
        expect_equal(len(lines), 257, "lines")


@case()
def output_that_nobody_reads_does_not_hold_up_the_time_limit():
    for flags, words in (((), "print=8192 loop"), (("--stdio", "channel"), "channel-print=8192 loop")):
        with Pipe() as output:
            command = ("run", "--timeout", "1s", *flags, "--cmdline", f"silent {words}")
            with started(*command, stdout=output.writer) as process:
                expect_end(process, 124)
            output.expect_untouched()


@case()
def output_that_nobody_reads_holds_up_a_guests_end_until_the_time_limit():
    with Pipe() as output:
        with started("run", "--timeout", "3s", "--", "silent", "print=512", "exit=3", stdout=output.writer) as process:
            time.sleep(1.5)
            expect_equal(process.poll(), None, "status before the time limit")
            expect_end(process, 3)
    with Pipe(False) as output:  # a reader that is late gets everything
        with started("run", "--timeout", "60s", "--", "silent", "print=4000", stdout=output.writer) as process:
            time.sleep(1.5)
            read = b""
            while process.poll() is None:
                read += output.read()
            expect_equal(len(read + output.read()), 4000 * 64, "bytes")


@case()
def output_that_nobody_reads_does_not_hold_up_a_signal():
    for number in (signal.SIGTERM, signal.SIGINT):
        with Pipe() as output:
            with started("run", "--", "silent", "print=8192", "loop", stdout=output.writer) as process:
                time.sleep(1)
                process.send_signal(number)
                expect_end(process, 128 + number)


def expect_second_ends(process, output):
    time.sleep(2.5)  # its queue is full
    process.send_signal(signal.SIGTERM)
    for _ in range(5):  # it waits for a reader that goes on reading
        time.sleep(0.2)
        os.read(output.reader, 8192)
    expect_equal(process.poll(), None, "status after the first")
    process.send_signal(signal.SIGTERM)
    # Up to four of five seconds are left.
    most_s = 3 if is_sanitized() else 1
    expect(expect_end(process, 128 + signal.SIGTERM) < most_s, "the second is waited out")


@case()
def a_second_signal_ends_it_at_once():
    with Pipe(False) as output:
        with started("run", "--", "silent", "print=8192", "loop", stdout=output.writer) as process:
            expect_second_ends(process, output)


@case(unsanitized="a jail takes static programs alone")
def a_second_signal_ends_the_first_process_of_a_namespace():
    """Which a signal's default does not end: by Firecracker's name that is what others get."""
    for name in (program(), str(build_folder() / "lib/mayfly/firecracker/firecracker")):
        with tempfile.TemporaryDirectory() as folder, Pipe(False) as output:
            boot = {"kernel_image_path": kernel_of(folder), "boot_args": "silent print=8192 loop"}
            configuration = os.path.join(folder, "configuration")
            with open(configuration, "w", encoding="ascii") as file:
                json.dump({"boot-source": boot, "drives": []}, file)
            stand_in(name)
            try:
                vm = started("--jail", "--no-api", "--config-file", configuration, stdout=output.writer)
                with vm as process:
                    expect_second_ends(process, output)
            finally:
                stand_in(None)


@case()
def a_terminal_that_is_held_does_not_hold_up_the_end():
    """By Ctrl-S, or whoever holds its other side."""
    with tempfile.TemporaryDirectory() as folder:
        for words in (complaining_guest(folder), ["--", "silent", "print=8192", "loop"]):
            terminal = Terminal()
            streams = {name: terminal.slave for name in ("stdin", "stdout", "stderr")}
            termios.tcflow(terminal.slave, termios.TCOOFF)
            with started("run", "--timeout", "1s", *words, **streams) as process:
                expect_end(process, 124)
                expect(terminal.is_restored(), "the terminal was not restored")
            terminal.close()


@case()
def a_forbidden_call_ends_the_process_though_nobody_reads_of_it():
    with Pipe() as log, started("run", "--", "silent", "loop", stderr=log.writer) as process:
        time.sleep(1)
        process.send_signal(signal.SIGSYS)
        expect_end(process, 148)


@case()
def a_trace_that_nobody_reads_does_not_hold_up_the_end():
    with tempfile.TemporaryDirectory() as folder:
        fifo = os.path.join(folder, "fifo")
        os.mkfifo(fifo)
        other = os.open(fifo, os.O_RDWR | os.O_NONBLOCK)
        with contextlib.suppress(BlockingIOError):
            while True:
                os.write(other, bytes(4096))
        with started("run", "--trace", fifo, "--", "silent", "exit=3") as process:
            expect_end(process, 125)
        os.close(other)
        with started("run", "--trace", fifo, "--", "silent", "exit=3") as process:  # no reader at all
            expect_end(process, 125)


@case()
def a_ready_pipe_that_nobody_reads_does_not_hold_up_the_guest():
    with tempfile.TemporaryDirectory() as folder, Pipe() as ready:
        path = os.path.join(folder, "config")
        with open(path, "w", encoding="ascii") as file:
            boot = {"kernel_image_path": kernel_of(folder), "boot_args": "silent boot-signal exit=9"}
            json.dump({"boot-source": boot}, file)
        more = {"pass_fds": [ready.writer]}
        with started("--no-api", "--config-file", path, "--ready-fd", str(ready.writer), **more) as process:
            expect_end(process, 9)
        ready.expect_untouched()


@case()
def a_log_file_on_a_full_disk_loses_lines_and_no_more():
    with tempfile.TemporaryDirectory() as folder, open("/dev/full", "wb") as full:
        with started("run", "--timeout", "1s", *complaining_guest(folder), stderr=full) as process:
            expect_end(process, 124)
        path, metrics = os.path.join(folder, "config"), os.path.join(folder, "metrics")
        with open(path, "w", encoding="ascii") as file:
            boot = {"kernel_image_path": kernel_of(folder), "boot_args": "silent boot-signal exit=9"}
            json.dump({"boot-source": boot, "logger": {"log_path": "/dev/full"}}, file)
        with started("--no-api", "--config-file", path, "--boot-timer", "--metrics-path", metrics) as process:
            expect_end(process, 9)
        with open(metrics, "rb") as file:
            lost = sum(map(int, re.findall(rb'"missed_log_count":(\d+)', file.read())))
        expect(lost >= 1, "a line that was lost was not counted")
