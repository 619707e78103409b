"""What mayfly-bench measured, for the parameters: the median start and the memory of a VM, from its results file."""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from mayfly_bench import runs, statistics  # noqa: E402
from mayfly_bench.records import Refused as BadResults  # noqa: E402

GUESTS = ("unikernel", "stub")  # the first that was measured counts


def latest(series):
    """`series`: {guest: record} of each run. The record, and the run that has it, or None."""
    for guest in GUESTS:
        for run, of_guest in reversed(series):
            if guest in of_guest and "mayfly" in of_guest[guest]:
                return run, of_guest[guest]["mayfly"]
    return None


def measured(path):
    """({field of a monitor: value}, text that says what was taken, warnings)."""
    found, warnings = runs.load([path])
    starts = [(run, {guest: run.samples.get((guest, "first output"), {}) for guest in GUESTS}) for run in found]
    start, density = latest(starts), latest([(run, run.density) for run in found])
    if start is None and density is None:
        raise BadResults(
            f"{path}: neither starts nor density of mayfly; run mayfly-bench startup or density with --results"
        )
    values, words = {}, []
    if start is not None:
        run, record = start
        values["start_s"] = values["start_cpu_s"] = statistics.median(record["samples"]) / 1e6
        words.append(f"start {values['start_s'] * 1000:.3g} ms ({record['guest']}, run {run.id})")
    if density is not None:
        run, record = density
        point = max(record["points"], key=lambda each: each["vms"])
        values["overhead_mib"] = (point["process_kib"] + point["kernel_kib"]) / 1024
        words.append(f"memory {values['overhead_mib']:.3g} MiB ({point['vms']} VMs, run {run.id})")
    if min(values.values()) <= 0:
        raise BadResults(f"{path}: a measured value is not above 0")
    return values, "; ".join(words), warnings
