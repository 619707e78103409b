"""Wrong files and flags: one line that names file and line and what to do, status 1 (2 for flags), nothing drawn."""
import json

import sample
from kit import case, expect, expect_equal, scratch
from reporting import expect_refused, report

RUN = sample.header()


def series(name, count=5, **more):
    return {
        "type": "samples",
        "run": sample.RUN,
        "program": name,
        "guest": "stub",
        "figure": "first output",
        "unit": "us",
        "samples": [1000.0 + i for i in range(count)],
        **more,
    }


def refused(content, *words):
    """A file of this content (records, or text) is refused with these words, and leaves no page."""
    with scratch() as folder:
        path = folder / "results.jsonl"
        data = content if isinstance(content, (str, bytes)) else sample.lines(content)
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        expect_refused(report(str(path)), "results.jsonl", *words)
        expect_equal([entry.name for entry in folder.iterdir()], ["results.jsonl"], "files left")


@case
def files_that_are_none():
    expect_refused(report("/nonexistent/results"), "/nonexistent/results", "No such file", "--results")
    expect_refused(report("/"), "Is a directory", "--results")
    expect_refused(report("/dev/null"), "/dev/null", "empty", "--results")
    expect_refused(report("/dev/zero"), "/dev/zero:1", "MiB")
    refused("", "empty")
    refused("\n\n", "empty")


@case
def files_of_something_else():
    refused("hello\n", ":1: no JSON", "--results")
    refused(b"\x7fELF\x02\x01\x00\xff" * 100, ":1: no JSON")
    refused('{"name": "x", "version": 3}\n', ":1:", 'without a "type"', "--results")
    refused("[1, 2]\n", ":1:", "none of mayfly-bench's")
    refused("null\n", ":1:", "none of mayfly-bench's")
    refused('{"type": {"a": 1}}\n', ":1:", "none of mayfly-bench's")
    refused('{\n  "type": "run"\n}\n', ":1: no JSON")
    refused("[" * 100000 + "\n", ":1: no JSON")
    refused("\ufeff" + sample.lines([RUN]), ":1: no JSON")


@case
def versions_that_are_not_known():
    refused([{**RUN, "format": "mayfly-bench/2"}], ":1:", "mayfly-bench/2", "mayfly-bench/1")
    refused([{key: value for key, value in RUN.items() if key != "format"}], ":1:", "null", "mayfly-bench/1")
    refused([RUN, {"type": "temperature", "run": sample.RUN}], ":2:", '"temperature"', "none of mayfly-bench's")


@case
def a_record_that_breaks_the_schema_is_named_by_field():
    for wrong, words in (
        ({"samples": []}, ("samples is empty",)),
        ({"samples": [1, "2"]}, ("samples[1]", '"2"', "number")),
        ({"samples": [1, True]}, ("samples[1]", "true")),
        ({"samples": [1, 0]}, ("samples[1]", "below")),
        ({"samples": [1, -5]}, ("samples[1]", "below")),
        ({"samples": [1, 1e300]}, ("samples[1]", "above")),
        ({"samples": 7}, ("samples is 7", "array")),
        ({"unit": "kg"}, ("unit", '"kg"')),
        ({"guest": None}, ("guest", "null")),
        ({"program": ""}, ("program is empty",)),
        ({"program": "a\u001b[31m"}, ("program has a control character",)),
        ({"figure": "x" * 5000}, ("figure is longer",)),
        ({"colour": "red"}, ('"colour"', "not known")),
    ):
        refused([RUN, series("mayfly", **wrong)], ":2:", *words)
    incomplete = series("mayfly")
    del incomplete["figure"]
    refused([RUN, incomplete], ":2:", "no 'figure'")
    refused([{**RUN, "machine": {**RUN["machine"], "cpus": "two"}}], ":1:", "machine.cpus", '"two"')
    refused(
        [
            RUN,
            {
                "type": "stages",
                "run": sample.RUN,
                "program": "m",
                "guest": "",
                "unit": "us",
                "stages": [{"name": "exec", "samples": [1, -1]}],
            },
        ],
        ":2:",
        "stages[0].samples[1]",
    )


@case
def numbers_that_are_none():
    text = sample.lines([RUN, series("mayfly")])
    refused(text.replace("1001.0", "NaN") + "\n", ":2:", "samples[1]", "NaN")
    refused(text.replace("1001.0", "-Infinity"), ":2:", "samples[1]", "-Infinity")
    refused(text.replace("1001.0", "1e999"), ":2:", "samples[1]", "above")
    refused(text.replace("1001.0", "9" * 400), ":2:", "samples[1]", "above")
    refused(
        sample.lines([RUN])
        + sample.lines([series("mayfly")]).replace("1001.0", "9" * 5000)
        + sample.lines([series("qemu")]),
        ":2:",
        "no JSON",
    )


@case
def series_that_do_not_belong_together():
    refused([series("mayfly"), RUN], ":1:", "no record of type", sample.RUN)
    refused([RUN, series("mayfly", run="another")], ":2:", "run another has no record of type")
    refused([RUN, series("floor", 5), series("mayfly", 4)], ":3:", "mayfly", "4 samples", "floor 5")
    refused([RUN, series("floor"), series("mayfly", unit="1/s")], ":3:", "1/s", "us")
    refused([RUN, series("mayfly"), series("mayfly", samples=[1, 2, 3, 4, 5])], ":3:", "there already")
    refused([RUN, {**RUN, "reference": "qemu"}], ":2:", "another header")
    refused(
        [
            RUN,
            {
                "type": "stages",
                "run": sample.RUN,
                "program": "m",
                "guest": "",
                "unit": "us",
                "stages": [{"name": "a", "samples": [1]}, {"name": "b", "samples": [1, 2]}],
            },
        ],
        ":2:",
        "1 to 2 samples",
    )
    end = {"type": "end", "run": sample.RUN, "ended": "2026-11-28T16:34:10Z", "outcome": "complete", "reason": ""}
    refused([RUN, end, {**end, "outcome": "failed"}], ":3:", "ends twice")


@case
def a_damaged_line():
    whole = sample.lines([RUN, series("floor"), series("mayfly")])
    with scratch() as folder:
        path = folder / "torn.jsonl"
        path.write_text(whole + json.dumps(series("qemu"))[:70])
        result = report(str(path))
        expect_equal(result.returncode, 0, f"status ({result.stderr!r})")
        expect_equal(len(result.stderr.splitlines()), 1, "lines on stderr")
        expect("torn.jsonl:4: the last line is damaged" in result.stderr, result.stderr)
        expect("mayfly" in (folder / "torn.html").read_text(), "what was finished is not drawn")
    refused(whole + json.dumps(series("qemu"))[:70] + "\n" + json.dumps(series("qemu")) + "\n", ":4: no JSON", "remove")
    refused(json.dumps(RUN)[:50], ":1: no JSON", "--results")


@case
def flags():
    for arguments, word in (
        ((), "FILE"),
        (("--html",), "--html"),
        (("x", "--htlm", "y"), "--htlm"),
        (("x", "--ht", "y"), "--ht"),
        (("x", "--ratio", "mayfly"), "PROGRAM/PROGRAM"),
        (("x", "--ratio", "/qemu"), "PROGRAM/PROGRAM"),
        (("x", "--ratio", "a/b/c"), "PROGRAM/PROGRAM"),
        (("x", "--guest", "stub"), "--ratio"),
    ):
        expect_refused(report(*arguments), word, status=2)


@case
def ratios_of_programs_that_share_no_run():
    with scratch() as folder:
        first = sample.write(folder / "first", [RUN, series("floor"), series("mayfly")])
        second = sample.write(folder / "second", [sample.header("other"), series("qemu", run="other")])
        result = report(first, second, "--ratio", "mayfly/qemu")
        expect_refused(result, "mayfly/qemu", "within one run")
        expect_equal(result.stdout, "", "stdout")
        expect_refused(report(first, "--ratio", "mayfly/floor", "--guest", "debian"), "guest debian")
        same_id = sample.write(folder / "third", [sample.header(reference="qemu"), series("qemu")])
        expect_refused(report(first, same_id), "third:1", "another header")
