"""Where the time of a Mayfly start goes: the stages of `mayfly run --trace` on the thread that becomes the boot vCPU's,
as durations one after the other from spawn to first output, and what main does beside it. METHOD.md, "mayfly-bench
startup"."""

import json

from .failure import Failure
from .probe import GIVEN_FILE, Contestant, program
from .statistics import median

# "spawn" is what the trace does not have: until the process's own start, and from the write to the reader.
NAMES = ("spawn", "exec", "thread", "kvm", "memory", "vcpu", "wait", "cpu", "first exit", "first output")
BESIDE = ("options", "devices", "load", "tables", "sandbox")
GUEST_STAGES = NAMES[-2:]  # the guest runs once its vCPUs are there


def traced_mayfly(mayfly):
    """It boots the unikernel, which ends by itself; the trace is there when it has ended."""
    words = [mayfly, "run", "--trace", GIVEN_FILE, "--", "quiet"]
    return Contestant("traced mayfly", "start", program("traced mayfly", words, given=""), has_left_file=True)


def parse(trace, first_output_us):
    """{stage: us} of the start whose trace is `trace`; the sum is `first_output_us`. Errors: it is no trace, or a stage
    is missing."""
    ends = stage_ends(trace)
    took, before = {}, 0.0
    for name in NAMES[1:]:
        if name not in ends:
            raise Failure(f"trace: {name}: has no such stage")
        # A vCPU may mark its first exit before its creator has marked the vCPUs as created, and the reader may have
        # the first byte before its writer marks that.
        end = min(max(ends[name], before), max(before, first_output_us))
        took[name] = end - before
        before = end
    return {"spawn": first_output_us - before, **took}


def stage_ends(trace):
    """{name: us from the process's start}: a span ends after its duration, an instant where it is."""
    try:
        events = json.loads(trace)["traceEvents"]
        if not isinstance(events, list):
            raise TypeError
    except (ValueError, KeyError, TypeError):
        raise Failure("trace: is no JSON object with traceEvents") from None
    ends = {}
    for event in events:
        if not isinstance(event, dict) or not is_number(event.get("ts")) or not isinstance(event.get("name"), str):
            continue
        duration = event.get("dur", 0)
        ends.setdefault(event["name"], event["ts"] + (duration if is_number(duration) else 0))
    return ends


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def of(contestant):
    """{stage: us in each round}."""
    rounds = [parse(trace, first) for trace, first in zip(contestant.left_files, contestant.column(0))]
    return {name: [one[name] for one in rounds] for name in NAMES}


def beside(contestant):
    """{stage: us in each round} of what main does meanwhile, one after the other from the end of exec on."""
    rounds = [stage_ends(trace) for trace in contestant.left_files]
    before = dict(zip(BESIDE, ("exec", *BESIDE)))
    return {name: [ends[name] - ends[before[name]] for ends in rounds] for name in BESIDE}


def monitor_and_guest_us(stages):
    """Medians of what the monitor and what the guest took."""
    rounds = list(zip(*(stages[name] for name in NAMES)))
    guest = [sum(one[-len(GUEST_STAGES) :]) for one in rounds]
    return median([sum(one) - late for one, late in zip(rounds, guest)]), median(guest)
