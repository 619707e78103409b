"""What the cases of mayfly-bench share: running it where no peer is installed, and peers that are scripts."""
import json
import os
import pathlib
import subprocess
import time

from kit import Failed, Skipped, expect_equal, is_sanitized, program, scratch_file

TIME_LIMIT_S = 100


def bench_path():
    if is_sanitized():
        raise Skipped("a sanitized program measures nothing")
    return str(pathlib.Path(program()).parent / "mayfly-bench")


def environment(folder):
    """No peer is installed, and what is started names the folder: so it can be found again."""
    return {"PATH": folder, "MAYFLY_BENCH_TEST": folder}


def compare(folder, *arguments):
    try:
        return subprocess.run(
            [bench_path(), "compare", *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=TIME_LIMIT_S,
            stdin=subprocess.DEVNULL,
            env=environment(folder),
        )
    except subprocess.TimeoutExpired:
        raise Failed(f"compare {' '.join(arguments)} did not end within {TIME_LIMIT_S} s") from None


def script(folder, name, *lines):
    """A monitor that is none, and tells its version."""
    version = '[ "$1" = --version ] && { echo "fake v1.2.3"; exit 0; }'
    path = scratch_file(folder, name, "\n".join(["#!/bin/sh", version, *lines, ""]).encode())
    os.chmod(path, 0o755)
    return path


def processes_of(folder):
    """Those that have our environment, and are no zombies, which have none."""
    mark = f"MAYFLY_BENCH_TEST={folder}".encode()
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and mark in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def expect_nothing_left(folder):
    limit = time.monotonic() + 10
    while processes_of(folder) and time.monotonic() < limit:
        time.sleep(0.05)
    expect_equal(processes_of(folder), [], "processes that are left")


def records(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]


def sample_counts(found, guest):
    """(program, figure) -> how many."""
    return {
        (record["program"], record["figure"]): len(record["samples"])
        for record in found
        if record["type"] == "samples" and record["guest"] == guest
    }
