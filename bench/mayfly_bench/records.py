"""Reads files of results: JSON lines, each one checked against results.schema.json."""

import json

from . import places
from .failure import Failure

FORMAT = "mayfly-bench/1"
LONGEST_LINE = 64 << 20  # so that a device that never ends does not fill the memory


class Refused(Failure):
    """What the user reads: one line that says what is wrong, where, and what to do."""


def load_validators():
    """One for each type of record, because an error of a `oneOf` names no field."""
    try:
        import jsonschema  # only who reads results needs it
    except ImportError:
        raise Refused("needs Python's jsonschema: apt-get install python3-jsonschema") from None
    try:
        schema = json.loads(places.SCHEMA.read_text(encoding="utf-8"))
    except OSError as error:
        raise Refused(f"{places.SCHEMA}: {error.strerror}; install mayfly-bench again") from None
    definitions = schema["definitions"]
    types = [one["$ref"].rsplit("/", 1)[1] for one in schema["oneOf"]]
    return {
        name: jsonschema.Draft7Validator({"$ref": f"#/definitions/{name}", "definitions": definitions})
        for name in types
    }


def read_file(path, validators):
    """Returns the file's records as pairs of a line's number and its record, and a warning or None."""
    records = []
    try:
        with open(path, "rb") as file:
            for number, line in enumerate(iter(lambda: file.readline(LONGEST_LINE), b""), 1):
                where = f"{path}:{number}"
                if len(line) == LONGEST_LINE:
                    raise Refused(f"{where}: a line of more than {LONGEST_LINE >> 20} MiB; no results are so long")
                if not line.strip():
                    continue
                record = parsed(line)
                if record is None:
                    if records and not file.read(1):
                        return records, f"{where}: the last line is damaged and left out; the run was cut short there"
                    raise Refused(f"{where}: no JSON; {remedy(records)}")
                check_record(record, where, validators, remedy(records))
                records.append((number, record))
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}; give a file that mayfly-bench wrote with --results") from None
    if not records:
        raise Refused(f"{path}: is empty; give a file that mayfly-bench wrote with --results")
    return records, None


def remedy(records):
    """A first line that is wrong makes a foreign file, a later one a damaged file."""
    return "remove the line, or measure again" if records else "give a file that mayfly-bench wrote with --results"


def parsed(line):
    try:
        text = line.decode("utf-8")
        # NaN and Infinity, which are no JSON, become words, and the schema's complaint names the field.
        value = json.loads(text, parse_constant=str)
        # An escape can make half of a surrogate pair, which no output can encode.
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return value if value is not None else False
    except (ValueError, RecursionError):
        return None


def check_record(record, where, validators, what_to_do):
    kind = record.get("type") if isinstance(record, dict) else None
    if not isinstance(kind, str) or kind not in validators:
        named = f"of type {shown(kind)}" if kind is not None else 'without a "type"'
        raise Refused(f"{where}: a record {named} is none of mayfly-bench's; {what_to_do}")
    version = record.get("format")
    if kind == "run" and version != FORMAT:
        raise Refused(
            f"{where}: the format is {shown(version)}, and this program reads {FORMAT!r};"
            " use the mayfly-bench that wrote the file"
        )
    error = next(validators[kind].iter_errors(record), None)
    if error is not None:
        raise Refused(f"{where}: {complaint(error)}; {what_to_do}")


def complaint(error):
    """The schema's error in a line of bounded length: which field, what is wrong with it."""
    steps = [f"[{step}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path]
    field = "".join(steps).lstrip(".") or f'a record of type {shown(error.instance.get("type"))}'
    rule, bound = error.validator, error.validator_value
    if rule == "required":
        return f"{field} has no {next(name for name in bound if name not in error.instance)!r}"
    if rule == "additionalProperties":
        unknown = sorted(set(error.instance) - set(error.schema["properties"]))
        return f"{field} has a field {shown(unknown[0])}, which is not known"
    if rule == "not":
        return f"{field} has a control character"
    if rule in ("minItems", "minLength"):
        return f"{field} is empty"
    if rule in ("maxItems", "maxLength"):
        return f"{field} is longer than {bound}"
    return f"{field} is {shown(error.instance)}, which {broken_rule(rule, bound)}"


def broken_rule(rule, bound):
    return {
        "type": f"is no {bound}",
        "minimum": f"is below {bound}",
        "maximum": f"is above {bound}",
        "const": f"is not {shown(bound)}",
        "enum": f"is none of {shown(bound)}",
        "pattern": f"does not match {bound}",
    }.get(rule, "breaks the schema")


def shown(value):
    """A value as JSON, short enough for a line."""
    text = json.dumps(value)
    return text if len(text) <= 40 else text[:36] + "..."
