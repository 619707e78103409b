"""What mayfly-bench measured, for the parameters: the median start and the memory of a VM, from its results file."""

import json
import statistics

FORMAT = "mayfly-bench/1"
GUESTS = ("unikernel", "stub")  # the first that was measured counts


class BadResults(Exception):
    pass


def records(path):
    found = []
    try:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                record = json.loads(line)
                if not isinstance(record, dict) or "type" not in record:
                    raise BadResults(f"{path}: line {number}: no record of mayfly-bench")
                found.append(record)
    except OSError as error:
        raise BadResults(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise BadResults(
            f"{path}: line {len(found) + 1} or after: no JSON; a results file has one record a line"
        ) from None
    if not any(record["type"] == "run" and record.get("format") == FORMAT for record in found):
        raise BadResults(f"{path}: no run of the format {FORMAT}")
    return found


def latest(found, kind, **wanted):
    for guest in GUESTS:
        for record in reversed(found):
            if (
                record["type"] == kind
                and record.get("guest") == guest
                and record.get("program") == "mayfly"
                and all(record.get(name) == value for name, value in wanted.items())
            ):
                return record
    return None


def measured(path):
    """({field of a monitor: value}, text that says what was taken)."""
    found = records(path)
    start = latest(found, "samples", figure="first output", unit="us")
    density = latest(found, "density")
    if start is None and density is None:
        raise BadResults(
            f"{path}: neither starts nor density of mayfly; run mayfly-bench startup or density with --results"
        )
    values, words = {}, []
    try:
        if start is not None:
            values["start_s"] = values["start_cpu_s"] = statistics.median(start["samples"]) / 1e6
            words.append(f"start {values['start_s'] * 1000:.3g} ms ({start['guest']}, run {start['run']})")
        if density is not None:
            point = max(density["points"], key=lambda each: each["vms"])
            values["overhead_mib"] = (point["process_kib"] + point["kernel_kib"]) / 1024
            words.append(f"memory {values['overhead_mib']:.3g} MiB ({point['vms']} VMs, run {density['run']})")
    except (KeyError, TypeError, ValueError):
        raise BadResults(f"{path}: a record of mayfly is incomplete") from None
    if min(values.values()) <= 0:
        raise BadResults(f"{path}: a measured value is not above 0")
    return values, "; ".join(words)
