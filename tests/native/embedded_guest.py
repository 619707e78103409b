"""The embedded guest from start to end: what it prints, how it ends, and what the monitor says of it."""
import json
import os
import re
import signal
import subprocess
import tempfile
import time

from kit import Failed, case, expect, expect_equal, mayfly, program

FIRST_LINE = b"Hello from a Mayfly guest\n"


@case()
def prints_and_exits():
    result = mayfly("run", "--memory", "64M", "--", "one", "two words")
    expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
    expect(result.stdout.startswith(FIRST_LINE), f"first line: {result.stdout!r}")
    expect(b'command line: -- one "two words"\n' in result.stdout, f"command line: {result.stdout!r}")
    kib = int(re.search(rb"memory: (\d+) KiB", result.stdout).group(1))
    expect(64 * 1024 - 1024 < kib <= 64 * 1024, f"{kib} KiB of 64 MiB")
    expect_equal(result.stderr, b"", "stderr")


@case()
def exit_statuses_are_the_guests():
    for status in (0, 1, 7, 124, 125, 126, 255):
        expect_equal(mayfly("run", "--", "silent", f"exit={status}").returncode, status, "status")


@case()
def a_device_that_is_not_there_is_three():
    for word, line in (
        ("disk-reads=1", b"no disk\n"),
        ("disk-write=1", b"no disk\n"),
        ("disk-sum=1", b"no disk\n"),
        ("send-frames=1", b"no network device\n"),
        ("receive-frames=1", b"no network device\n"),
    ):
        result = mayfly("run", "--", "silent", word, "print=1", "exit=9")
        expect_equal((result.returncode, result.stdout, result.stderr), (3, line, b""), word)


@case()
def reset_and_power_off_are_zero():
    for word in ("reset", "poweroff"):
        result = mayfly("run", "--", "quiet", word)
        expect_equal((result.returncode, result.stdout, result.stderr), (0, FIRST_LINE, b""), word)


@case()
def a_crash_is_126_with_reason_and_place():
    result = mayfly("run", "--", "quiet", "crash")
    expect_equal(result.returncode, 126, "status")
    expect_equal(result.stdout, FIRST_LINE, "output before the crash")
    expect(
        re.fullmatch(
            rb"mayfly: guest crashed: triple fault \(code 0\) at rip 0x1[0-9a-f]{5}, "
            rb"instruction bytes 0f 0b( [0-9a-f]{2})+\n",
            result.stderr,
        ),
        f"crash line: {result.stderr!r}",
    )


@case()
def more_memory_than_fits_below_the_gap():
    result = mayfly("run", "--memory", "5G")
    kib = int(re.search(rb"memory: (\d+) KiB in (\d+)", result.stdout).group(1))
    expect(5 * 1024 * 1024 - 1024 < kib <= 5 * 1024 * 1024, f"{kib} KiB of 5 GiB")


@case()
def guest_memory_is_there():
    expect_equal(mayfly("run", "--memory", "32M", "--", "silent", "fill=24").returncode, 0, "status")


@case()
def thirty_two_vcpus():
    expect_equal(mayfly("run", "--vcpus", "32", "--", "silent", "exit=9").returncode, 9, "status")


@case()
def boot_timer_logs_one_line():
    result = mayfly("run", "--boot-timer", "--", "silent", "boot-signal")
    told = re.fullmatch(
        rb"mayfly: Guest-boot-time =\s+(\d+) us\s+(\d+) ms,\s+(\d+) CPU us\s+(\d+) CPU ms\n", result.stderr
    )
    expect(told, f"{result.stderr!r}")
    us, ms, cpu_us, cpu_ms = map(int, told.groups())
    expect(0 < us and 0 < cpu_us and (ms, cpu_ms) == (us // 1000, cpu_us // 1000), f"{result.stderr!r}")
    expect_equal(mayfly("run", "--", "silent", "boot-signal").stderr, b"", "stderr without --boot-timer")


@case()
def the_trace_has_every_stage_in_order():
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "trace.json")
        expect_equal(mayfly("run", "--trace", path, "--", "quiet", "boot-signal").returncode, 0, "status")
        with open(path, encoding="utf-8") as file:
            events = [event for event in json.load(file)["traceEvents"] if event["ph"] != "M"]
    names = [event["name"] for event in events]
    expect_equal(
        names,
        [
            "exec",
            "thread",
            "options",
            "kvm",
            "memory",
            "vcpu",
            "devices",
            "load",
            "tables",
            "sandbox",
            "wait",
            "cpu",
            "first exit",
            "first output",
            "boot signal",
            "exit",
        ],
        "stages",
    )
    for lane in (1, 2):  # main, and the thread that makes the VM beside it
        own = [event["ts"] + event.get("dur", 0) for event in events if event["tid"] == lane]
        expect_equal(own, sorted(own), f"the ends of the stages on thread {lane}")
    ends = [event["ts"] + event.get("dur", 0) for event in events]
    expect(0 < ends[0] and ends[-1] < 60e6, f"times out of reason: {ends}")


def start(*arguments):
    return subprocess.Popen(
        [program(), "run", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def end(process, limit_s=30):
    try:
        output, errors = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise Failed(f"still running after {limit_s} s") from None
    return process.returncode, output, errors


@case()
def signals_end_a_running_guest():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT):
        process = start("--", "quiet", "loop")
        expect_equal(process.stdout.readline(), FIRST_LINE, "first line")
        process.send_signal(number)
        expect_equal(end(process), (128 + number, b"", b""), f"end by signal {number}")


@case()
def threads_have_their_names():
    process = start("--vcpus", "2", "--", "quiet", "loop")
    process.stdout.readline()
    wanted = {"mayfly", "main", "io", "vcpu1"}  # the first runs the boot vCPU
    deadline = time.monotonic() + 20
    names = set()
    while time.monotonic() < deadline and not wanted <= names:
        names = set()
        for task in os.listdir(f"/proc/{process.pid}/task"):
            with open(f"/proc/{process.pid}/task/{task}/comm", encoding="utf-8") as file:
                names.add(file.read().strip())
    process.kill()
    end(process)
    expect(wanted <= names, f"threads: {names}")


@case()
def two_machines_run_side_by_side():
    processes = [start("--", f"exit={number}") for number in (3, 4, 5, 6)]
    expect_equal([end(process)[0] for process in processes], [3, 4, 5, 6], "statuses")


@case()
def nothing_is_inherited_by_accident():
    """Every descriptor of the monitor's own is closed at exec."""
    process = start("--", "quiet", "loop")
    process.stdout.readline()
    open_at_exec = []
    for name in os.listdir(f"/proc/{process.pid}/fdinfo"):
        with open(f"/proc/{process.pid}/fdinfo/{name}", encoding="utf-8") as file:
            flags = int(re.search(r"flags:\s+(\d+)", file.read()).group(1), 8)
        if int(name) > 2 and not flags & os.O_CLOEXEC:
            open_at_exec.append(os.readlink(f"/proc/{process.pid}/fd/{name}"))
    process.kill()
    end(process)
    expect_equal(open_at_exec, [], "descriptors without O_CLOEXEC")
