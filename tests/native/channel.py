"""The channel, spoken by the embedded guest: streams apart, whole and under flow control; signals; the time limit."""
import hashlib
import os
import re
import select
import signal
import subprocess
import tempfile
import time

from kit import case, expect, expect_equal, expect_refused, mayfly, program, scratch_file
from unikernel import pattern_lines

LINES_AT_ONCE = 1023  # of 64 bytes: what one burst holds
MEBIBYTE = 1 << 20


def start(*words, **more):
    return subprocess.Popen(
        [program(), "run", "--stdio", "channel", "--cmdline", " ".join(("silent", *words))],
        **{"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **more},
    )


def run(*words, **more):
    return mayfly("run", "--stdio", "channel", "--cmdline", " ".join(("silent", *words)), **more)


def printed(lines):
    whole, rest = divmod(lines, LINES_AT_ONCE)
    return pattern_lines(LINES_AT_ONCE) * whole + pattern_lines(rest)


@case()
def output_and_errors_are_kept_apart():
    result = run("channel-echo", "exit=7", stdin=b"\x00\xff\n\r\x04 no newline")
    expect_equal((result.returncode, result.stdout), (7, b"\x00\xff\n\r\x04 no newline"), "status and stdout")
    expect(result.stderr.startswith(b"channel-echo: 16 bytes in "), f"stderr: {result.stderr!r}")


@case()
def the_console_stays_off_it():
    result = mayfly("run", "--stdio", "channel", "--cmdline", "print=100 exit=3")
    expect_equal((result.returncode, result.stdout, result.stderr), (3, b"", b""), "result")


@case()
def ten_megabytes_there_and_back():
    sent = os.urandom(10 * MEBIBYTE)
    result = run("channel-echo", stdin=sent)
    expect_equal(hashlib.sha256(result.stdout).hexdigest(), hashlib.sha256(sent).hexdigest(), "what came back")


@case()
def output_by_the_hundred_thousand_lines():
    result = run("channel-print=200000")
    expect_equal(hashlib.sha256(result.stdout).hexdigest(), hashlib.sha256(printed(200000)).hexdigest(), "output")


@case()
def a_reader_that_stands_still_loses_nothing():
    with start("channel-print=100000") as process:
        time.sleep(2)  # longer than a serial line's patience
        with open(f"/proc/{process.pid}/status", encoding="ascii") as status:
            anonymous = next(int(line.split()[1]) for line in status if line.startswith("RssAnon"))
        output, errors = process.communicate(timeout=60)
    expect_equal(hashlib.sha256(output).hexdigest(), hashlib.sha256(printed(100000)).hexdigest(), "output")
    expect_equal((process.returncode, errors), (0, b""), "the rest")
    expect(anonymous < 400 * 1024, f"{anonymous} KiB are waiting with it")  # a sanitizer's own included


@case()
def a_program_learns_that_its_reader_has_gone():
    """It prints for ever, as yes(1) does. As of a local program, nothing is said."""
    with start("channel-print=4294967295") as process:
        process.stdout.read(100)
        process.stdout.close()
        expect_equal((process.wait(60), process.stderr.read()), (141, b""), "status and stderr")
    with start("channel-print=1", "exit=4") as process:  # and one that does not care ends as it wants
        process.stdout.close()
        expect_equal((process.wait(60), process.stderr.read()), (4, b""), "status and stderr")


@case()
def an_end_without_input():
    for stdin in (subprocess.DEVNULL, None):
        arguments = {"preexec_fn": lambda: os.close(0)} if stdin is None else {"stdin": stdin}
        with start("channel-echo", "exit=5", **arguments) as process:
            output = process.communicate(timeout=60)[0]
        expect_equal((process.returncode, output), (5, b""), f"with stdin {stdin}")


@case()
def input_that_comes_by_and_by():
    with start("channel-echo", stdin=subprocess.PIPE) as process:
        for number in range(20):
            word = b"%d\n" % number
            process.stdin.write(word)
            process.stdin.flush()
            expect(select.select([process.stdout], [], [], 30)[0], "no answer within 30 s")
            expect_equal(os.read(process.stdout.fileno(), 100), word, "answer")
        process.stdin.close()
        expect_equal(process.wait(60), 0, "status")


@case()
def streams_of_every_kind():
    with tempfile.TemporaryDirectory() as folder:
        source = scratch_file(folder, "in", b"from a file")
        with open(source, "rb") as stdin, open(os.path.join(folder, "out"), "w+b") as stdout:
            with start("channel-echo", stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL) as process:
                expect_equal(process.wait(60), 0, "status")
            stdout.seek(0)
            expect_equal(stdout.read(), b"from a file", "file")


@case()
def output_that_cannot_be_written_is_no_success():
    line = re.compile(rb"mayfly: \d+ bytes of the guest's output: write: No space left on device\n")
    for flags, status in (("channel-print=10", 125), ("channel-print=4294967295", 141)):
        with open("/dev/full", "wb") as full, start(flags, stdout=full) as process:
            errors = process.communicate(timeout=60)[1]
            expect_equal(process.returncode, status, f"status of {flags}")
            expect(line.fullmatch(errors), f"stderr of {flags}: {errors!r}")
    with open("/dev/full", "wb") as full:
        for words, status in ((["print=10"], 125), (["print=10", "exit=3"], 3)):
            result = subprocess.run(
                [program(), "run", "--", "silent", *words],
                stdin=subprocess.DEVNULL,
                stdout=full,
                stderr=subprocess.PIPE,
                check=False,
                timeout=60,
            )
            expect_equal(result.returncode, status, f"status of {words}")
            expect(line.fullmatch(result.stderr), f"stderr of {words}: {result.stderr!r}")


@case()
def a_signal_the_guest_never_fetches_ends_it_the_second_time():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1):
        with start("boot-signal", "loop") as process:
            time.sleep(0.3)
            process.send_signal(number)
            time.sleep(0.3)
            expect_equal(process.poll(), None, "status after the first")
            process.send_signal(number)
            expect_equal(process.wait(30), 128 + number, "status after the second")


@case()
def a_window_that_changes():
    with start("loop") as process:
        for _ in range(3):
            process.send_signal(signal.SIGWINCH)
            time.sleep(0.1)
        expect_equal(process.poll(), None, "status")
        process.kill()


@case()
def a_guest_of_another_version():
    """It ends at once, by the monitor's failure, and a line names both versions; nothing that it sends is heard."""
    for version, words in (
        (0, "the guest says no version, this monitor is of version 1; install mayfly and lib/mayfly/init"),
        (2, "the guest is of version 2, this monitor is of version 1; install mayfly and lib/mayfly/init"),
        (0xFFFFFFFF, "the guest is of version 4294967295, this monitor is of version 1; "),
    ):
        for word in ("channel-print=10", "channel-echo"):
            result = run(f"channel-abi={version}", word, "exit=7", stdin=b"input")
            expect_refused(result, "mayfly: the channel: ", words, "docs/channel.md")
    result = run("channel-abi=1", "channel-print=10", "exit=7")
    expect_equal((result.returncode, result.stdout, result.stderr), (7, printed(10), b""), "our own version")


@case()
def the_time_limit():
    result = mayfly("run", "--timeout", "300ms", "--", "silent", "loop")
    expect_equal(result.returncode, 124, "status")
    expect_equal(result.stderr, b"mayfly: --timeout: the guest still ran after 300 ms\n", "line")
    result = mayfly("run", "--timeout", "60s", "--", "silent", "exit=9")
    expect_equal((result.returncode, result.stderr), (9, b""), "a guest in time")
    expect_refused(mayfly("run", "--timeout", "5"), "--timeout", "as in 5s")


@case()
def an_end_without_a_status():
    result = mayfly("run", "--stdio", "channel", "--cmdline", "quiet reset")
    expect_equal(result.returncode, 126, "status")
    expect_equal(
        result.stderr,
        b"mayfly: the guest ended before its program did\n"
        b"mayfly: the guest's console said:\nHello from a Mayfly guest\n\n",
        "lines",
    )


@case()
def a_guest_without_a_channel():
    result = mayfly("run", "--", "silent", "channel-echo")
    expect_equal((result.returncode, result.stdout), (3, b"no channel\n"), "result")


@case()
def images_that_cannot_be_run():
    with tempfile.TemporaryDirectory() as folder:
        kernel = ("--kernel", program())
        expect_refused(mayfly("run", "--image", os.path.join(folder, "none"), *kernel), "none", "No such file")
        expect_refused(mayfly("run", "--image", folder, *kernel), folder)
        expect_refused(mayfly("run", "--image", "i", "--env", "=A", *kernel), "--env", "NAME=VALUE")
        expect_refused(mayfly("run", "--image", "i", "--env", "NOT_SET", *kernel), "NOT_SET: --env", "is not set")
        variables = scratch_file(folder, "variables", b"A=b\nNOT_SET\n")
        unset = mayfly("run", "--image", "i", "--env-file", variables, *kernel)
        expect_refused(unset, f"{variables}:2: --env-file", "is not set")
        expect_refused(mayfly("run", "--image", "i", "--env-file", f"{folder}/none", *kernel), "No such file")
        # What is set makes no difference to what is said next.
        known = {**os.environ, "NOT_SET": "set"}
        flags = ("--env", "NOT_SET", "--env-file", variables)
        expect_refused(mayfly("run", "--image", f"{folder}/none", *flags, *kernel, env=known), "none", "No such file")
        expect_refused(mayfly("run", "--rw"), "--rw", "--image")
