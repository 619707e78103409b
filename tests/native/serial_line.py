"""Bytes through the serial line, both ways, with readers and writers of every temper."""
import json
import os
import socket
import subprocess
import time

from kit import case, expect, expect_equal, mayfly, program
from unikernel import fnv1a, pattern_lines
from vm import Vm


def run_with(stdout, *words):
    return subprocess.Popen(
        [program(), "run", "--", *words], stdin=subprocess.DEVNULL, stdout=stdout, stderr=subprocess.PIPE
    )


@case()
def a_quarter_mebibyte_out():
    result = mayfly("run", "--", "silent", "print=4096")
    expect_equal(result.returncode, 0, "status")
    expect(result.stdout == pattern_lines(4096), f"{len(result.stdout)} bytes of output, or other bytes")


@case()
def output_before_the_end_arrives():
    for ending in ("exit=0", "reset", "poweroff", "crash"):
        result = mayfly("run", "--", "silent", "print=512", ending)
        expect(result.stdout == pattern_lines(512), f"{ending}: {len(result.stdout)} bytes, or other bytes")


@case(when="usual")
def more_input_than_all_queues_hold():
    data = bytes(range(256)) * 512  # each byte costs the polling guest two exits; nested pastes a MiB
    result = mayfly("run", "--", "silent", f"sum={len(data)}", stdin=data, limit_s=240)
    expect(f"sum: {len(data)} bytes, FNV-1a {fnv1a(data)}".encode() in result.stdout, f"{result.stdout!r}")


@case()
def every_byte_comes_back():
    data = bytes(value for value in range(256) if value != 4) * 8
    result = mayfly("run", "--", "silent", "echo", stdin=data + b"\x04")
    expect_equal(result.returncode, 0, "status")
    expect(result.stdout == data, f"{len(result.stdout)} bytes of {len(data)}, or other bytes")


@case()
def input_that_ends_does_not_end_the_guest():
    expect_equal(mayfly("run", "--", "silent", "print=64", stdin=b"").stdout, pattern_lines(64), "output")


@case()
def a_slow_reader_gets_everything():
    reader, writer = os.pipe()
    process = run_with(writer, "silent", "print=4096")
    os.close(writer)
    output = b""
    while chunk := os.read(reader, 8192):
        output += chunk
        time.sleep(0.005)
    os.close(reader)
    expect(output == pattern_lines(4096), f"{len(output)} bytes, or other bytes")
    expect_equal((process.wait(60), process.stderr.read()), (0, b""), "end")


@case(when="usual")
def a_reader_that_stands_still_does_not_hold_the_guest():
    reader, writer = os.pipe()
    process = run_with(writer, "silent", "print=16384", "exit=3")  # 1 MiB: more than all queues hold
    os.close(writer)
    time.sleep(15)  # longer than the guest needs, and than the monitor's patience
    output = b""
    while chunk := os.read(reader, 65536):
        output += chunk
    os.close(reader)
    expect_equal(process.wait(60), 3, "status")
    expect(pattern_lines(16384).startswith(output[:262144]), "what arrived first is not what was sent first")
    expect(b"bytes of the guest's output were lost" in process.stderr.read(), "the loss was not reported")


@case()
def a_reader_that_goes_away_does_not_stop_the_guest():
    reader, writer = os.pipe()
    process = run_with(writer, "silent", "print=4096", "exit=3")
    os.close(writer)
    os.read(reader, 64)
    os.close(reader)
    expect_equal(process.wait(60), 3, "status")


@case()
def output_to_a_socket():
    ours, theirs = socket.socketpair()
    process = run_with(theirs, "silent", "print=2048")
    theirs.close()
    output = b""
    while chunk := ours.recv(65536):
        output += chunk
    expect(output == pattern_lines(2048), f"{len(output)} bytes, or other bytes")
    expect_equal(process.wait(60), 0, "status")


@case()
def a_full_disk_is_reported_and_survived():
    with open("/dev/full", "wb") as full:
        process = run_with(full, "silent", "print=8", "exit=3")
        expect_equal(process.wait(60), 3, "status")
    expect(
        b"512 bytes of the guest's output: write: No space left on device" in process.stderr.read(),
        "the loss was not reported",
    )


@case()
def closed_descriptors_are_survived():
    script = 'exec "$0" run -- silent print=8 exit=3 <&- >&- 2>&-'
    result = subprocess.run(["sh", "-c", script, program()], check=False, timeout=60)
    expect_equal(result.returncode, 3, "status")


@case()
def a_limit_drops_what_is_too_much():
    """As Firecracker's: the guest goes on, and the bytes are counted."""
    with Vm() as vm:
        path = vm.file("metrics")
        vm.do("PUT", "/metrics", {"metrics_path": path})
        limit = {"size": 1000, "one_time_burst": 24, "refill_time": 3_600_000}
        vm.do("PUT", "/serial", {"rate_limiter": limit})
        expect_equal(vm.get("/vm/config")["serial"], {"rate_limiter": limit}, "what the configuration says")
        vm.start("silent print=64 exit=0")
        output = vm.process.stdout.read()
        expect_equal(vm.process.wait(60), 0, "status")
        expect_equal(output, pattern_lines(64)[: len(output)], "what passes")
        expect(1024 <= len(output) < 1100, f"{len(output)} bytes pass")
        dropped = sum(json.loads(line)["uart"]["rate_limiter_dropped_bytes"] for line in open(path, encoding="ascii"))
        expect_equal(len(output) + dropped, len(pattern_lines(64)), "bytes that passed and that were dropped")
        expect_equal(vm.stderr(), b"", "stderr")
