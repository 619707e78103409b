"""The OpenAPI file by itself: it can be walked, it has what the source has, and its validator refuses what is wrong."""
import re

from api_schema import DOCUMENT, FILE, operations, problems
from api_values import STRANGERS, attempts_of, value_of, written
from kit import case, expect, expect_equal

UNSANITIZED = "it reads files, and starts no program"


@case(needs_kvm=False)
def everything_in_the_file_can_be_tested():
    """A field without limits, a pattern without bad values, a route without a state: named here."""
    names = [operation.name for operation in operations()]
    expect_equal(len(set(names)), len(names), "operations with names of their own")
    for operation in operations():
        where = f"{operation.method} {operation.path}"
        expect(operation.when in ("before", "after", "always", "never"), f"{where}: x-when is {operation.when}")
        expect(operation.refused or 204 in operation.responses or operation.method == "GET", f"{where}: no success")
        expect(operation.method == "GET" or operation.refused or operation.body, f"{where}: no schema of its body")
        expect_equal(
            re.findall(r"\{(\w+)\}", operation.path),
            [one["name"] for one in operation.parameters],
            f"{where}: parameters",
        )
        if operation.body and not operation.tried_in:

            def names(kind, _field):
                return f"/{kind}/x"

            good = value_of(operation.body, operation.name, names, "d0")
            expect_equal(problems(operation.body, good), [], f"{where}: the good body")
            for attempt in attempts_of(operation.body, good, names):
                expect(attempt.text() != written(good) or attempt.accepted, f"{where}: {attempt.label}")
    for pattern, strangers in STRANGERS.items():
        expect(not any(re.fullmatch(pattern, stranger) for stranger in strangers), f"{pattern} has a stranger")


@case(needs_kvm=False)
def the_file_has_what_the_source_has():
    """Fields that the server reads and nobody has described. (A unit test has the routes.)"""
    call = r'(?:fields|limiter|owner)(?:\.\w+\(|, )"(\w+)"'
    sources = [source for source in FILE.parent.glob("*.cpp") if not source.stem.endswith(("_test", "_fuzz"))]
    fields = {field for source in sources for field in re.findall(call, source.read_text())}
    expect(len(fields) > 30, f"the source's fields are written in another way now: {fields}")
    described = {name for schema in DOCUMENT["components"]["schemas"].values() for name in schema.get("properties", {})}
    expect_equal(sorted(fields - described), [], "fields of the source that are not in the file")


@case(needs_kvm=False)
def the_validator_refuses_what_is_wrong():
    drive = {"drive_id": "a", "is_root_device": False, "path_on_host": "/x"}
    schemas = DOCUMENT["components"]["schemas"]
    expect_equal(problems(schemas["Drive"], drive), [], "a good drive")
    for key, value in (
        ("drive_id", "a b"),
        ("drive_id", 1),
        ("is_root_device", 0),
        ("cache_type", "unsafe"),
        ("path_on_host", ""),
        ("path_on_host", None),
        ("extra", 1),
        ("rate_limiter", []),
        ("rate_limiter", {"ops": {"size": 1}}),
        ("rate_limiter", {"ops": {"size": -1, "refill_time": 1}}),
    ):
        expect(problems(schemas["Drive"], {**drive, key: value}), f"{key} = {value!r} passes")
    del drive["path_on_host"]
    expect(problems(schemas["Drive"], drive), "a drive without a path passes")
    expect(problems(schemas["ConfigFile"], {}), "a configuration file without boot-source passes")
    expect(problems(schemas["Machine"], {"vcpu_count": 33, "mem_size_mib": 128}), "33 virtual CPUs pass")
    expect(problems(schemas["Configuration"], {"drives": [drive]}), "a wrong drive in a list passes")
