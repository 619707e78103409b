"""Files damaged at random, from a fixed seed: a page or one clear line, and never a traceback."""
import contextlib
import io
import json
import random

import sample
from kit import case, expect, scratch

ROUNDS = 300
VALUES = [
    None,
    True,
    0,
    -1,
    1,
    0.0,
    1e-6,
    1e12,
    1e13,
    2**70,
    "",
    "x",
    "$x^2$",
    "<b>&\"'",
    "\u0000",
    "\ud800",
    "\U0001f98b" * 30,
    "\u202e",
    [],
    {},
    [1],
    {"a": 1},
    "mayfly",
    "floor",
    "complete",
    [[]],
    "us",
    "1/s",
    "NaN",
    "0" * 80,
]


def load_main():
    """The report's main(), called in this process: 300 interpreters would take minutes."""
    from mayfly_bench.report.main import main

    return main


def places(value):
    """All containers within a record, with their keys."""
    if isinstance(value, (dict, list)):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield value, key
            yield from places(value[key])


def mutate_record(generator, records):
    record = generator.choice(records)
    container, key = generator.choice(list(places(record)))
    kind = generator.randrange(4)
    if kind == 0 and isinstance(container, dict):
        del container[key]
    elif kind == 1 and isinstance(container, dict):
        container[generator.choice(["x", "guest", "samples"])] = generator.choice(VALUES)
    elif kind == 2 and isinstance(container, list):
        container.insert(key, generator.choice(container))
    else:
        container[key] = generator.choice(VALUES)


def mutate_lines(generator, records):
    kind = generator.randrange(4)
    at = generator.randrange(len(records))
    if kind == 0:
        del records[at]
    elif kind == 1:
        records.insert(at, dict(generator.choice(records)))
    elif kind == 2:
        generator.shuffle(records)
    else:
        del records[at:]


def mutate_bytes(generator, data):
    data = bytearray(data)
    for _ in range(generator.randrange(1, 4)):
        at = generator.randrange(len(data))
        if generator.random() < 0.5:
            data[at] = generator.randrange(256)
        else:
            del data[at : at + generator.choice([1, 10, 1000])]
    return bytes(data)


def mutant(generator):
    # Few samples, and one kind of picture at a time: pictures are what takes time.
    kind = generator.choice(["first output", "4 KiB reads", "stages", "density", "rate"])
    records = [
        record
        for record in sample.records(4)
        if record["type"] in ("run", "program", "absent", "end") or kind in (record["type"], record.get("figure"))
    ]
    for _ in range(generator.choice([1, 1, 2])):
        if records:
            generator.choice([mutate_record, mutate_record, mutate_lines])(generator, records)
    data = "".join(json.dumps(record) + "\n" for record in records).encode()
    return mutate_bytes(generator, data) if data and generator.random() < 0.3 else data


@case
def three_hundred_damaged_files():
    main, generator = load_main(), random.Random(88)
    drawn = 0
    with scratch() as folder:
        path, html = folder / "damaged", folder / "page.html"
        for number in range(ROUNDS):
            data = mutant(generator)
            path.write_bytes(data)
            html.unlink(missing_ok=True)
            output, errors = io.TextIOWrapper(io.BytesIO()), io.StringIO()
            with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
                status = main([str(path), "--html", str(html)])
            lines = errors.getvalue().splitlines()
            what = f"file {number}: status {status}, stderr {lines}"
            expect(status == (0 if html.exists() else 1), what)
            expect(all(line.startswith("mayfly-bench: report: ") and len(line) < 500 for line in lines), what)
            expect(len(lines) == 1 or (status == 0 and not lines), what)
            drawn += status == 0
    expect(ROUNDS // 20 < drawn < ROUNDS - ROUNDS // 4, f"{drawn} of {ROUNDS} were drawn: the test is blind")
