"""The command line: bad input is one line, and good input tells what it took."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import parameters
import results_file
from kit import case

PROGRAM = pathlib.Path(parameters.__file__).parent


def scale(*arguments):
    return subprocess.run(
        [sys.executable, str(PROGRAM), *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def refused(arguments, *words):
    done = scale(*arguments)
    lines = done.stderr.splitlines()
    assert (
        done.returncode == 1 and done.stdout == "" and len(lines) == 1
    ), f"{arguments}: {done.returncode} {done.stdout!r} {done.stderr!r}"
    assert lines[0].startswith("scale: ") and all(word in lines[0] for word in words), f"{arguments}: {lines[0]}"


def changed(change):
    document = json.loads(parameters.DEFAULT_FILE.read_text(encoding="utf-8"))
    change(document)
    return document


def parameters_refused(change, *words):
    try:
        parameters.parse(changed(change))
    except parameters.BadParameters as reason:
        assert all(word in str(reason) for word in words), str(reason)
        return
    raise AssertionError(f"accepted, though {' '.join(words)}")


@case
def bad_flags():
    for arguments, words in (
        ((["--hosts", "9"]), ["--hosts", "from 10"]),
        ((["--hosts", "many"]), ["whole number"]),
        ((["--hours", "nan"]), ["--hours"]),
        ((["--seed", "-1"]), ["--seed"]),
        ((["--nothing"]), ["--nothing"]),
        ((["--parameters", "/nowhere/p"]), ["/nowhere/p", "No such file"]),
    ):
        refused(arguments, *words)


@case
def a_folder_that_cannot_be():
    with tempfile.NamedTemporaryFile() as file:
        refused(["--quick", "--png", file.name], file.name, "File exists")


@case
def interrupt_leaves_nothing():
    running = subprocess.Popen(
        [sys.executable, str(PROGRAM), "--jobs", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    children = pathlib.Path(f"/proc/{running.pid}/task/{running.pid}/children")
    while running.poll() is None and len(children.read_text().split()) < 2:
        time.sleep(0.05)
    time.sleep(0.5)  # they are at work
    workers = children.read_text().split()
    for worker in workers:  # alone, so that what they say is not cut off by their end
        os.kill(int(worker), signal.SIGINT)
    time.sleep(0.5)
    kept = children.read_text().split()
    os.killpg(running.pid, signal.SIGINT)
    output, errors = running.communicate(timeout=30)
    assert kept == workers, "a worker ended by itself"
    assert (
        running.returncode == 130 and output == b"" and b"Traceback" not in errors
    ), f"{running.returncode} {errors!r}"
    try:
        os.killpg(running.pid, 0)
    except ProcessLookupError:
        return
    raise AssertionError("a process is left")


@case
def bad_parameters():
    parameters_refused(lambda all_of: all_of.pop("host"), "host", "missing")
    parameters_refused(lambda all_of: all_of.update(more={}), "more", "unknown")
    parameters_refused(lambda all_of: all_of["host"].update(cpus={"value": 2.5, "source": "x"}), "host.cpus", "whole")
    parameters_refused(lambda all_of: all_of["host"].update(cpus={"value": True, "source": "x"}), "host.cpus", "number")
    parameters_refused(
        lambda all_of: all_of["host"].update(memory_fill={"value": 2, "source": "x"}),
        "host.memory_fill",
        "from 0.01 to 1",
    )
    parameters_refused(lambda all_of: all_of["host"]["cpus"].pop("source"), "host.cpus", "no source")
    parameters_refused(
        lambda all_of: all_of["host"].update(cpus={"value": [1], "source": "x"}), "host.cpus", "one number"
    )
    parameters_refused(
        lambda all_of: all_of["runtime"].update(init_share={"value": [1.0], "source": "x"}), "one length"
    )
    parameters_refused(lambda all_of: all_of["monitors"]["mayfly"].pop("start_s"), "monitors.mayfly", "start_s")
    parameters_refused(lambda all_of: all_of["monitors"].pop("mayfly"), "monitors.mayfly", "missing")


def results(*records):
    file = tempfile.NamedTemporaryFile("w", suffix=".jsonl")
    file.write("".join(json.dumps(record) + "\n" for record in records))
    file.flush()
    return file


RUN = {
    "type": "run",
    "format": "mayfly-bench/1",
    "run": "a",
    "command": "startup",
    "arguments": [],
    "started": "2026-11-28T16:30:00Z",
    "reference": "floor",
    "machine": {
        "kernel": "6.18.5",
        "cpu": "AMD EPYC",
        "cpus": 2,
        "memory_kib": 24648132,
        "kvm": "kvm_amd",
        "is_virtual": True,
        "load": 0.5,
    },
}
START = {
    "type": "samples",
    "run": "a",
    "program": "mayfly",
    "guest": "stub",
    "figure": "first output",
    "unit": "us",
    "samples": [900, 1100, 5000],
}
DENSITY = {
    "type": "density",
    "run": "a",
    "program": "mayfly",
    "guest": "stub",
    "guest_memory_kib": 131072,
    "points": [{"vms": 1, "process_kib": 900, "kernel_kib": 900}, {"vms": 100, "process_kib": 212, "kernel_kib": 300}],
}


@case
def results_give_start_and_memory():
    with results(RUN, START, DENSITY, dict(START, program="qemu", samples=[1, 1, 1])) as file:
        values, words, warnings = results_file.measured(file.name)
    assert values == {"start_s": 0.0011, "start_cpu_s": 0.0011, "overhead_mib": 0.5}, values
    assert "run a" in words and "100 VMs, run a" in words, words
    assert warnings == [], warnings


@case
def the_latest_run_counts():
    other = {**RUN, "run": "b"}
    with results(RUN, START, other, {**START, "run": "b", "samples": [700]}) as file:
        values, words, _ = results_file.measured(file.name)
    assert values["start_s"] == 0.0007 and "run b" in words, (values, words)


@case
def bad_results():
    for records, word in (
        ([START], 'has no record of type "run"'),
        ([dict(RUN, format="mayfly-bench/2")], "the format is"),
        ([RUN], "neither starts nor density"),
        ([RUN, dict(START, samples=[])], ":2: samples is empty"),
        ([RUN, [1]], ":2:"),
        ([RUN, dict(START, samples=[0])], ":2: samples[0] is 0, which is below"),
        ([RUN, dict(DENSITY, points=[{"vms": 1, "process_kib": 1, "kernel_kib": -2}])], "not above 0"),
    ):
        with results(*records) as file:
            refused(["--quick", "--results", file.name], word)


@case
def damaged_results():
    text = "".join(json.dumps(record) + "\n" for record in (RUN, START))
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(text + '{"type": "sam\n' + text)
        file.flush()
        refused(["--quick", "--results", file.name], ":3:", "no JSON")
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl") as file:
        file.write(text + '{"type": "sam')
        file.flush()
        values, _, warnings = results_file.measured(file.name)
    assert values["start_s"] == 0.0011 and "last line is damaged" in warnings[0], (values, warnings)
