"""mayfly-bench compare where KVM has hardware to run on: Linux guests, under Mayfly and its peers."""

import json
import os
import subprocess
import tempfile

from checks import check
from kit import Failed, Skipped, case


@case(limit_s=900)
def bench_compare(t):
    """Each guest that is Linux boots under each monitor that can; what cannot is named."""
    if t.is_reference:
        raise Skipped("it measures Mayfly")
    bench = os.path.join(os.path.dirname(t.monitor), "mayfly-bench")
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"
        command = [
            bench,
            "compare",
            "--runs",
            "1",
            "--warm-up",
            "0",
            "--limit",
            "120s",
            "--results",
            path,
            "--peer",
            f"firecracker={t.monitor}",
            "--guest",
            "stub",
            "--guest",
            "debian",
            "--guest",
            "kernel",
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"status {done.returncode}: {done.stdout} {done.stderr}")
        with open(path, encoding="utf-8") as file:
            records = [json.loads(line) for line in file]
    check("the KVM module", records[0]["machine"]["kvm"], "kvm_amd")
    started = {
        (record["guest"], record["program"])
        for record in records
        if record["type"] == "samples" and record["figure"] == "first output" and min(record["samples"]) > 0
    }
    wanted = {
        ("stub", "floor"),
        ("stub", "mayfly"),
        ("stub", "firecracker"),
        ("debian", "mayfly"),
        ("debian", "firecracker"),
        ("kernel", "mayfly"),
        ("kernel", "firecracker"),
    }
    if not wanted <= started:
        raise Failed(f"not started: {sorted(wanted - started)}; {done.stdout}")
    absent = {(record["guest"], record["program"]) for record in records if record["type"] == "absent"}
    check(
        "what neither started nor is named",
        {
            (guest, program)
            for guest in ("stub", "debian", "kernel")
            for program in ("floor", "mayfly", "qemu", "firecracker", "kvmtool", "cloud-hypervisor")
        }
        - started
        - absent,
        set(),
    )
