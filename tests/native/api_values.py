"""What to send to a field: values at its limits and past them, of every type, derived from the OpenAPI file.

A field for which nothing can be derived is a failure, so that none is added to the file untested."""
import copy
import json

from api_schema import problems, resolved
from kit import Failed

OF_TYPES = {"string": "7", "integer": 7, "number": 7.5, "boolean": True, "array": [], "object": {}}
HAS_NUL = "a\0b"
# Strings that are not of a pattern of the file.
STRANGERS = {
    "^[A-Za-z0-9._-]+$": ["a b", "a/b", "../a", "a\n", "\u00e9", "a%20b", "a,b", "a=b"],
    '^[^ \\t\\n"]*$': ["a b", "a\tb", "a\nb", 'a"b', " "],
    "^[0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){5}$": [
        "02:00:00:00:00",
        "02:00:00:00:00:0g",
        "02-00-00-00-00-01",
        "02:00:00:00:00:01:02",
        "2:0:0:0:0:1",
        " 02:00:00:00:00:01",
        "020000000001",
    ],
}


class Raw(str):
    """What is no JSON. The message about it need not name a field."""


class Json(Raw):
    """JSON as json.dumps would not write it."""


class Attempt:
    """A body, what is expected of it, and, if it is refused, words of which the message must have one."""

    def __init__(self, label, body, *words):
        self.label, self.body, self.words = label, body, words
        self.accepted = not words

    def text(self):
        return written(self.body)


def written(value):
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(name)}: {written(field)}" for name, field in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(written(item) for item in value) + "]"
    return json.dumps(value)


def value_of(schema, name, files, identifier):
    """A good value: full, with every field of an object. `files` gives names of files by the kind of x-file."""
    schema = resolved(schema)
    kind = schema.get("type")
    if kind == "object" and "x-refused" in schema:
        return None
    if kind == "object" and "example" in schema:
        return schema["example"]
    if kind == "object":
        return {key: value_of(field, key, files, identifier) for key, field in schema["properties"].items()}
    if "x-refused" in schema:
        return None
    if "x-path-parameter" in schema:
        return identifier
    if "x-file" in schema:
        return files(schema["x-file"], name)
    if "x-value-when" in schema:
        return next(value for value, when in schema["x-value-when"].items() if when != "before")
    for key in ("example", "default"):
        if key in schema:
            return schema[key]
    if "enum" in schema:
        return schema["enum"][0]
    if kind == "boolean":
        return False
    if kind == "integer" and "minimum" in schema:
        return schema["minimum"]
    raise Failed(f"the file has no way to a good value of {name}: {schema}")


def with_field(body, trail, value):
    """The body with another value at the end of the trail."""
    body = copy.deepcopy(body)
    at = body
    for name in trail[:-1]:
        at = at[name]
    at[trail[-1]] = value
    return body


def without_field(body, trail):
    body = copy.deepcopy(body)
    at = body
    for name in trail[:-1]:
        at = at[name]
    del at[trail[-1]]
    return body


def attempts_of(schema, good, files, trail=()):
    """For each field of the object at the trail in the good body, and for the object itself."""
    schema = resolved(schema)
    at = good
    for name in trail:
        at = at[name]
    for name in at:
        yield from attempts_of_field(schema, name, good, files, (*trail, name))
    here = f"{'.'.join(trail)}: " if trail else ""
    for stranger in ("no_such_field", "", next(iter(at)).upper(), "__proto__"):
        yield Attempt(f"{here}an unknown field {stranger!r}", with_field(good, (*trail, stranger), 1), stranger)
    for name, value in at.items():
        doubled = Json("{" + written(at)[1:-1] + f", {json.dumps(name)}: {written(value)}" + "}")
        yield Attempt(f"{here}{name} twice", with_field(good, trail, doubled) if trail else doubled, name)


def attempts_of_field(owner, name, good, files, trail):
    schema = resolved(owner["properties"][name])
    label = ".".join(trail)
    required = name in owner.get("required", [])
    lacking = without_field(good, trail)
    if required or not problems_without(owner, lacking, trail):
        yield Attempt(f"{label} missing", lacking, *([name] if required else []))
    yield Attempt(f"{label} null", with_field(good, trail, None), *([] if schema.get("nullable") else [name]))
    yield from (
        Attempt(f"{label} of type {kind}", with_field(good, trail, value), name)
        for kind, value in OF_TYPES.items()
        if kind != schema["type"]
    )
    by_type = {"integer": integers, "boolean": booleans, "string": strings, "object": objects}
    if schema["type"] not in by_type:
        raise Failed(f"no way to test {label}, of type {schema['type']}")
    for value, accepted in by_type[schema["type"]](schema, files, name):
        names = [] if accepted else names_for(name, value)
        yield Attempt(f"{label} = {written(value)[:80]}", with_field(good, trail, value), *names)
    if "x-path-parameter" in schema:
        yield Attempt(f"{label} is not that of the path", with_field(good, trail, "another"), name)
    if schema["type"] == "object" and "properties" in schema:
        yield from attempts_of(schema, good, files, trail)


def names_for(name, value):
    """What a message about this value may have: the field, or, of a file's name or a number, its beginning."""
    if type(value) is Raw:
        return [""]
    return [name, written(value).strip('"')[:20]] if value and isinstance(value, (str, int)) else [name]


def problems_without(owner, body, trail):
    at = body
    for name in trail[:-1]:
        at = at[name]
    return problems(owner, at)


def integers(schema, _files, name):
    if "minimum" not in schema or not ("maximum" in schema or schema.get("format") == "int64"):
        raise Failed(f"no way to test {name}: it has no limits")
    low, high = schema["minimum"], schema.get("maximum", (1 << 63) - 1)
    yield from ((value, True) for value in (low, low + 1, high))
    past = {low - 1, high + 1, -1, -high, 1 << 64, (1 << 64) + low, 1 << 128, 10**200} - {low}
    yield from ((value, False) for value in sorted(past))
    yield from ((Json(text), False) for text in ("1e20", "-0.5", "1.5e0"))
    yield from ((Raw(text), False) for text in ("1e400", "0x10", "+1", "01", "1.", ".5", "Infinity", "1 2"))


def booleans(schema, _files, _name):
    yield from ((value, value in schema.get("enum", (False, True))) for value in (False, True))
    yield from ((Raw(text), False) for text in ("True", "tru", "truetrue"))


def objects(schema, _files, _name):
    if "x-refused" in schema:
        yield {}, False
    yield Raw("{"), False
    yield [{}], False


def strings(schema, files, name):
    if "x-refused" in schema:
        yield from ((value, False) for value in ("", "/run/socket"))
    elif "enum" in schema:
        yield from enumerated(schema)
    elif "pattern" in schema:
        if schema["pattern"] not in STRANGERS:
            raise Failed(f"no way to test {name}: STRANGERS has no value for the pattern {schema['pattern']}")
        yield from ((value, False) for value in STRANGERS[schema["pattern"]])
    elif not {"x-file", "example", "maxLength"} & set(schema):
        raise Failed(f"no way to test {name}: no enum, pattern, x-file, example, maxLength")
    if "minLength" in schema or "enum" in schema:
        yield "", False
    if "maxLength" in schema:
        yield "a" * (schema["maxLength"] + 1), False
        if "x-file" not in schema and "x-path-parameter" not in schema:
            yield "a" * (schema["maxLength"] - (256 if "x-bytes" in schema else 0)), True
    if "x-file" in schema:
        yield files("absent", name), False
        yield from ((value, False) for value in ("/" + "a" * 5000, "/dev/null/x"))
    yield HAS_NUL, False
    yield from ((Raw(text), False) for text in ('"', '"\\x"', '"\\ud800"', '"\n"', "'a'", '"a" "b"'))


def enumerated(schema):
    when = schema.get("x-value-when")
    values = [value for value, state in when.items() if state != "before"] if when else schema["enum"]
    yield from ((value, True) for value in values)
    for value in values:
        yield value + " ", False
        for other in (value.upper(), value.lower()):
            if other not in values:
                yield other, schema.get("x-any-case", False)


def broken_bodies(good):
    """Bodies that are no object of JSON, whatever the schema."""
    text = written(good)
    yield from (
        ("no body", None),
        ("an empty body", ""),
        ("blanks", " \r\n\t "),
        ("an array", "[]"),
        ("a string", '"a"'),
        ("a number", "7"),
        ("null", "null"),
        ("true", "true"),
        ("no JSON", "hello"),
        ("a NUL", b"\0"),
        ("cut off", text[:-1]),
        ("cut in the middle", text[: len(text) // 2]),
        ("something behind", text + "x"),
        ("two objects", text + text),
        ("a comma too many", text[:-1] + ",}"),
        ("a comment", text + "// a"),
        ("single quotes", text.replace('"', "'")),
        ("names without quotes", text.replace('"', "")),
        ("a NUL behind", text.encode() + b"\0"),
        ("UTF-16", text.encode("utf-16-le")),
        ("an array around it", f"[{text}]"),
        ("no UTF-8", text.encode().replace(b'"', b'"\xff', 1)),
    )
