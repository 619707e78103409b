"""mayfly-bench density and rate: many VMs, none of which stays behind."""
import json
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from kit import Skipped, case, expect, expect_equal, is_sanitized, program

ALONE = "it measures what the whole machine has left"

LIMIT_S = 60


def bench(*arguments, limit_s=LIMIT_S):
    command = [str(pathlib.Path(program()).parent / "mayfly-bench"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=limit_s, check=False)


def start(*arguments):
    """A measurement under way: one line of its table is there."""
    command = [str(pathlib.Path(program()).parent / "mayfly-bench"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    heading, first = process.stdout.readline(), process.stdout.readline()
    expect(heading and first, f"no table: {heading!r} {first!r}")
    return process


def vms():
    """Processes of this build's monitor or floor that are not yet on their way out."""
    folder = str(pathlib.Path(program()).parent)
    found = []
    for pid in filter(str.isdecimal, os.listdir("/proc")):
        try:
            path = os.readlink(f"/proc/{pid}/exe")
        except OSError:
            continue
        if path in (f"{folder}/mayfly", f"{folder}/mayfly-floor"):
            found.append(pid)
    return found


def expect_no_vms():
    deadline = time.monotonic() + LIMIT_S
    while left := vms():
        expect(time.monotonic() < deadline, f"still there: {left}")
        time.sleep(0.05)


def records(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def expect_line(result, status, *words):
    lines = result.stderr.splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({result.stderr!r})")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")
    expect_equal(result.returncode, status, "status")


def skip_where_starts_are_slow():
    if is_sanitized():
        raise Skipped("a sanitizer's program has other costs than a VM")


@case(when="usual")
def density_counts_what_is_alive():
    skip_where_starts_are_slow()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"
        result = bench("density", "--vms", "20", "--memory", "64M", "--results", path)
        expect_equal(result.returncode, 0, f"status ({result.stderr})")
        found = [record for record in records(path) if record["type"] == "density"]
        expect_equal([record["program"] for record in found], ["floor", "mayfly"], "programs")
        for record in found:
            expect_equal([point["vms"] for point in record["points"]], list(range(2, 21, 2)), "VMs")
            for point in record["points"]:
                expect(20 < point["process_kib"] < 2000, f"a process of {point['process_kib']} KiB")
        expect_equal([record["guest_memory_kib"] for record in found], [131072, 65536], "guest memory")
        expect_equal(records(path)[-1]["outcome"], "complete", "outcome")
    expect_no_vms()


@case()
def density_leaves_others_their_memory():
    skip_where_starts_are_slow()
    result = bench("density", "--vms", "4", "--reserve", "1000G")
    expect_line(result, 1, "--reserve")
    expect("floor: no more than 0 VMs" in result.stdout, result.stdout)


@case()
def rate_starts_as_many_as_it_says():
    skip_where_starts_are_slow()
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"
        result = bench("rate", "--most", "5", "--starts", "10", "--rounds", "3", "--results", path)
        expect_equal(result.returncode, 0, f"status ({result.stderr})")
        found = [record for record in records(path) if record["type"] == "rate"]
        expect_equal([record["in_flight"] for record in found], [1, 1, 2, 2, 4, 4], "in flight")
        for record in found:
            expect(len(record["samples"]) == 3 and min(record["samples"]) > 0, record)
    expect_no_vms()


@case(when="usual")
def an_end_in_the_middle_leaves_no_vm():
    skip_where_starts_are_slow()
    for command in (("density", "--vms", "400"), ("rate", "--starts", "100")):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            with tempfile.TemporaryDirectory() as folder:
                path = f"{folder}/results.jsonl"
                process = start(*command, "--results", path)
                process.send_signal(number)
                _, errors = process.communicate(timeout=LIMIT_S)
                if number == signal.SIGKILL:
                    expect_equal(process.returncode, -number, "status")
                else:
                    expect_equal(process.returncode, 130, f"status ({errors})")
                    expect_equal(len(errors.splitlines()), 1, f"lines on stderr ({errors})")
                    expect_equal(records(path)[-1]["outcome"], "interrupted", "outcome")
                expect_equal(records(path)[0]["type"], "run", "first record")
                expect_no_vms()


def folders_of(process):
    return [name for name in os.listdir("/dev/shm") if name.startswith(f"mayfly-bench-{process.pid}-")]


def interrupted_at_work(*arguments, by=signal.SIGTERM):
    """The measurement, when a VM of its is there and the folder that it makes, if it makes one; and that folder."""
    command = [str(pathlib.Path(program()).parent / "mayfly-bench"), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + LIMIT_S
    while not vms():
        expect(time.monotonic() < deadline and process.poll() is None, f"{arguments}: no VM comes up")
    found = folders_of(process)
    process.send_signal(by)
    return process, found


@case()
def the_folder_of_one_that_was_killed_goes_with_the_next():
    skip_where_starts_are_slow()
    expect_no_vms()
    process, found = interrupted_at_work("api", by=signal.SIGKILL)
    process.communicate(timeout=LIMIT_S)
    expect_equal(folders_of(process), found, "folders of one that was killed")
    expect_no_vms()
    other, others = interrupted_at_work("api")
    other.communicate(timeout=LIMIT_S)
    expect_equal((len(others), folders_of(other), folders_of(process)), (1, [], []), "folders after the next")


@case()
def a_signal_leaves_no_folder_in_memory():
    skip_where_starts_are_slow()
    expect_no_vms()
    with tempfile.TemporaryDirectory() as folder:
        for command in ("api", "jail", "channel", "memory"):
            if command == "jail" and os.geteuid() != 0:
                continue
            path = f"{folder}/{command}"
            process, found = interrupted_at_work(command, "--results", path)
            _, errors = process.communicate(timeout=LIMIT_S)
            expect_equal(process.returncode, 130, f"status of {command} ({errors})")
            expect_equal(len(errors.splitlines()), 1, f"lines of {command} on stderr ({errors})")
            expect_equal(len(found), 1 if command in ("api", "jail") else 0, f"folders of {command} at work")
            expect_equal(folders_of(process), [], f"folders of {command} afterwards")
            expect_equal(records(path)[-1]["outcome"], "interrupted", f"outcome of {command}")
            expect_no_vms()


@case(when="usual")
def every_measurement_keeps_what_the_report_reads():
    skip_where_starts_are_slow()
    commands = {
        "startup": ("--runs", "2", "--warm-up", "0", "--stages"),
        "block": ("--reads", "200", "--rounds", "2"),
        "api": ("--runs", "2", "--warm-up", "0", "--requests", "5"),
        "memory": (),
        "channel": ("--megabytes", "2", "--rounds", "2"),
    }
    if os.geteuid() == 0:
        commands["net"] = ("--frames", "500", "--rounds", "2")
        commands["jail"] = ("--runs", "2", "--warm-up", "0", "--at-once", "3")
    with tempfile.TemporaryDirectory() as folder:
        path, disk = f"{folder}/results.jsonl", pathlib.Path(folder) / "disk"
        disk.write_bytes(bytes(1 << 20))
        commands["block"] += ("--file", str(disk))
        for command, flags in commands.items():
            result = bench(command, *flags, "--results", path)
            expect_equal((result.returncode, result.stderr), (0, ""), f"status and stderr of {command}")
            expect_equal(records(path)[-1]["outcome"], "complete", f"outcome of {command}")
        result = bench("report", path)
        expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr of the report")
        page = pathlib.Path(f"{folder}/results.html").read_text(encoding="utf-8")
        for words in ("5 requests, first output", "mayfly-jailer", "bytes of output", "KiB"):
            expect(words in page or os.geteuid() != 0, f"{words} is not in the report")


@case()
def a_jail_with_device_nodes_is_removed():
    skip_where_starts_are_slow()
    if os.geteuid() != 0:
        raise Skipped("jails with device nodes need root")
    command = [str(pathlib.Path(program()).parent / "mayfly-bench"), "jail", "--runs", "1", "--warm-up", "0"]
    process = subprocess.Popen([*command, "--at-once", "3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    output, errors = process.communicate(timeout=LIMIT_S)
    expect_equal(process.returncode, 0, f"status ({errors})")
    expect("3 jailed VMs at once" in output, output)
    expect_equal(folders_of(process), [], "folders afterwards")


@case(when="usual")
def a_vm_that_fails_is_named():
    skip_where_starts_are_slow()
    with tempfile.TemporaryDirectory() as folder:
        monitor = pathlib.Path(folder) / "monitor"
        monitor.write_text("#!/bin/sh\necho up\nexit 3\n")
        monitor.chmod(0o755)
        expect_line(bench("rate", "--mayfly", str(monitor)), 1, "exit status 0x3")
        expect_line(bench("density", "--vms", "2", "--mayfly", str(monitor)), 1, "a VM", "it ended")
        monitor.write_text("#!/bin/sh\n")
        expect_line(bench("density", "--vms", "2", "--mayfly", str(monitor)), 1, "output")
    expect_no_vms()


@case(needs_kvm=False)
def bad_flags_are_refused():
    for command in ("density", "rate"):
        expect_line(bench(command, "--mayfly", "/nowhere"), 1, "--mayfly", "No such file")
        expect_line(bench(command, "--what"), 1, "--what")
    expect_line(bench("density", "--vms", "0"), 1, "--vms")
    expect_line(bench("density", "--memory", "lots"), 1, "--memory")
    expect_line(bench("rate", "--most", "-1"), 1, "--most")
    expect_equal(bench("densities").returncode, 2, "status of an unknown command")


@case()
def results_on_a_full_disk_are_an_error():
    skip_where_starts_are_slow()
    expect_line(bench("rate", "--results", "/dev/full"), 1, "/dev/full", "No space left")
    with tempfile.TemporaryDirectory() as folder:
        other = pathlib.Path(folder) / "notes"
        other.write_text("mine\n")
        expect_line(bench("rate", "--results", str(other)), 1, str(other), "no results file")
        expect_equal(other.read_text(), "mine\n", "the file")
    expect_no_vms()
