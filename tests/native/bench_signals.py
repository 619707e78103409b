"""Signals to mayfly-bench compare: nothing is left behind, and what was finished is kept."""
import os
import pathlib
import signal
import subprocess
import tempfile
import time

from bench_run import TIME_LIMIT_S, bench_path, environment, expect_nothing_left, records, sample_counts, script
from kit import case, expect, expect_equal


def start_long_comparison(folder, path):
    """A comparison that is in its rounds."""
    peer = script(folder, "slow", f"echo x >>{folder}/count", "/bin/sleep 0.05; echo hello; exec /bin/sleep 1000")
    process = subprocess.Popen(
        [
            bench_path(),
            "compare",
            "--runs",
            "100000",
            "--guest",
            "stub",
            "--warm-up",
            "0",
            "--peer",
            f"qemu={peer}",
            "--results",
            path,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder),
    )
    limit = time.monotonic() + TIME_LIMIT_S
    while not os.path.exists(f"{folder}/count") or len(pathlib.Path(f"{folder}/count").read_text()) < 10:
        expect(time.monotonic() < limit and process.poll() is None, "the comparison does not come on")
        time.sleep(0.05)
    return process


@case()
def a_signal_keeps_the_rounds_that_are_finished():
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/results"
            process = start_long_comparison(folder, path)
            process.send_signal(number)
            output, errors = process.communicate(timeout=TIME_LIMIT_S)
            expect_equal(process.returncode, 130, f"status after {number.name} ({errors!r})")
            own = [line for line in errors.splitlines() if line.startswith("mayfly-bench: ")]
            expect_equal(len(own), 1, f"lines ({errors!r})")
            expect("ended by a signal" in own[0], own[0])
            found = records(path)
            counts = set(sample_counts(found, "stub").values())
            expect(len(counts) == 1 and min(counts) >= 1, f"samples: {counts}")
            expect(f"{min(counts)} runs each" in output, output)
            expect_equal((found[-1]["type"], found[-1]["outcome"]), ("end", "interrupted"), "last record")
            expect_nothing_left(folder)


def start_with_silent_peer(folder):
    """A comparison that waits for a peer, which sleeps."""
    silent = script(folder, "silent", f"echo x >{folder}/up; exec /bin/sleep 1000")
    process = subprocess.Popen(
        [bench_path(), "compare", "--guest", "stub", "--limit", "10m", "--peer", f"qemu={silent}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(folder),
    )
    limit = time.monotonic() + TIME_LIMIT_S
    while not os.path.exists(f"{folder}/up"):
        expect(time.monotonic() < limit, "the peer is not started")
        time.sleep(0.05)
    return process


@case()
def a_signal_ends_the_wait_for_a_silent_peer():
    with tempfile.TemporaryDirectory() as folder:
        process = start_with_silent_peer(folder)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=TIME_LIMIT_S)
        expect_equal(process.returncode, 130, "status")
        expect_nothing_left(folder)


@case()
def killing_it_leaves_no_process():
    with tempfile.TemporaryDirectory() as folder:
        process = start_with_silent_peer(folder)
        process.kill()
        process.communicate(timeout=TIME_LIMIT_S)
        expect_nothing_left(folder)
