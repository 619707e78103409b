"""The parameters of the simulation: read from a JSON file, checked, handed on as plain numbers."""

import json
import math
import pathlib

DEFAULT_FILE = pathlib.Path(__file__).with_name("parameters.json")
GROUPS = ("functions", "calls", "memory", "images", "runtime", "host")
MONITOR_FIELDS = ("start_s", "start_cpu_s", "overhead_mib")
# Lowest and highest value that makes sense where it is not "above 0".
SHARE = (0.0, 1.0)
LIMITS = {
    "functions.at_most_hourly_share": SHARE,
    "functions.at_most_minutely_share": SHARE,
    "functions.busy_invocation_share": (0.5, 0.9999),
    "functions.timer_share": SHARE,
    "functions.bursty_share": SHARE,
    "functions.burst_on_share": (0.01, 1.0),
    "functions.day_amplitude": (0.0, 1.0),
    "functions.per_host": (1, 10_000),
    "calls.fewest_homes": (1, 10_000),
    "functions.rate_decades": (6, 12),
    "functions.lowest_rate": (1e-9, 1e-4),
    "calls.log_mean": (-20, 20),
    "calls.log_sigma": (0, 10),
    "images.log_sigma": (0, 10),
    "images.read_share": SHARE,
    "images.local_share": SHARE,
    "images.lanes": (1, 1000),
    "host.memory_fill": (0.01, 1.0),
    "host.cpus": (1, 4096),
}
WHOLE = ("functions.per_host", "calls.fewest_homes", "images.lanes", "host.cpus")


class BadParameters(Exception):
    pass


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def checked(name, value):
    if not is_number(value):
        raise BadParameters(f"{name}: {json.dumps(value)}: a number is wanted")
    lowest, highest = LIMITS.get(name, (0.0, 1e12))
    if not lowest <= value <= highest or (name not in LIMITS and value == 0):
        wanted = f"from {lowest:g} to {highest:g}" if name in LIMITS else "above 0"
        raise BadParameters(f"{name}: {value:g}: a number {wanted} is wanted")
    if name in WHOLE and value != int(value):
        raise BadParameters(f"{name}: {value:g}: a whole number is wanted")
    return int(value) if name in WHOLE else float(value)


def entry(name, found):
    if not isinstance(found, dict) or "value" not in found:
        raise BadParameters(f'{name}: an object with "value", "unit" and "source" is wanted')
    if not isinstance(found.get("source"), str) or not found["source"]:
        raise BadParameters(f"{name}: no source; say where the value comes from, or that it is an assumption")
    if isinstance(found["value"], list):
        return [checked(name, value) for value in found["value"]]
    return checked(name, found["value"])


def monitor(name, found):
    if not isinstance(found, dict):
        raise BadParameters(f"monitors.{name}: an object is wanted")
    missing = [field for field in MONITOR_FIELDS if field not in found]
    if missing:
        raise BadParameters(f"monitors.{name}: {missing[0]} is missing")
    return {field: checked(f"monitors.{name}.{field}", found[field]) for field in MONITOR_FIELDS}


def same_fields(where, found, wanted):
    for name in found:
        if name not in wanted and name != "comment":
            raise BadParameters(f"{where}{name}: unknown; known: {', '.join(wanted)}")
    for name in wanted:
        if name not in found:
            raise BadParameters(f"{where}{name}: missing")


def consistent(values):
    functions, runtime = values["functions"], values["runtime"]
    if functions["at_most_hourly_share"] >= functions["at_most_minutely_share"]:
        raise BadParameters("functions.at_most_hourly_share: must be less than at_most_minutely_share")
    if not all(isinstance(runtime[name], list) for name in ("init_s", "init_share")):
        raise BadParameters("runtime: init_s and init_share are lists")
    if len(runtime["init_s"]) != len(runtime["init_share"]) or abs(sum(runtime["init_share"]) - 1) > 1e-6:
        raise BadParameters("runtime: init_s and init_share are lists of one length, and the shares add up to 1")
    return values


def parse(document):
    default = json.loads(DEFAULT_FILE.read_text(encoding="utf-8"))
    if not isinstance(document, dict):
        raise BadParameters("an object is wanted")
    same_fields("", document, ("monitors", *GROUPS))
    values = {}
    for group in GROUPS:
        if not isinstance(document[group], dict):
            raise BadParameters(f"{group}: an object is wanted")
        same_fields(f"{group}.", document[group], tuple(default[group]))
        values[group] = {}
        for name, found in document[group].items():
            if name != "comment":
                value = entry(f"{group}.{name}", found)
                if isinstance(value, list) != (group == "runtime"):
                    raise BadParameters(f"{group}.{name}: {'a list' if group == 'runtime' else 'one number'} is wanted")
                values[group][name] = value
    if not isinstance(document["monitors"], dict):
        raise BadParameters("monitors: an object is wanted")
    values["monitors"] = {
        name: monitor(name, found) for name, found in document["monitors"].items() if name != "comment"
    }
    if "mayfly" not in values["monitors"]:
        raise BadParameters("monitors.mayfly: missing")
    return consistent(values)


def read(path=DEFAULT_FILE):
    try:
        return parse(json.loads(pathlib.Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise BadParameters(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise BadParameters(f"{path}: no JSON: {error}") from None
    except BadParameters as error:
        raise BadParameters(f"{path}: {error}") from None
