"""The writer of results files: a record a line, whole or not at all, and by the schema."""

import argparse
import json
import os
import pathlib
import resource
import signal
import tempfile

from kit import case
from mayfly_bench import records
from mayfly_bench.failure import Failure, Interrupted
from mayfly_bench.results import Results, recorded


def written(path):
    return [json.loads(line) for line in pathlib.Path(path).read_text(encoding="ascii").splitlines()]


def run_in(folder):
    return Results(f"{folder}/results.jsonl", "startup", ["--runs", "2"], "floor")


def record(path, body=lambda results: None):
    with recorded(argparse.Namespace(results=path), "startup", ["--runs", "2"], "floor") as results:
        body(results)


def refusal(body):
    try:
        body()
    except Failure as failure:
        return str(failure)
    raise AssertionError("nothing is refused")


@case
def a_record_a_line_by_the_schema():
    def fill(results):
        results.program({"name": "floor", "words": ["/floor"]}, "stub", "1.0")
        results.samples("floor", "stub", "first output", "us", [940.5, 1000 / 3])
        results.samples("mayfly", "", "private memory", "KiB", [157])
        results.stages("mayfly", "stub", {"exec": [1.0, 0.0]})
        results.rate("floor", "stub", 8, [940.5])
        results.density("mayfly", "stub", 131072, [{"vms": 10, "process_kib": 210.25, "kernel_kib": -7}])
        results.absent("qemu", "stub", "is not installed \u2026")

    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"
        record(path, fill)
        found, warning = records.read_file(path, records.load_validators())
        assert warning is None
        kinds = [one["type"] for _, one in found]
        wanted = ["run", "program", "samples", "samples", "stages", "rate", "density", "absent", "end"]
        assert kinds == wanted, kinds
        assert found[2][1]["samples"] == [940.5, 333.333], found[2]
        assert {one["run"] for _, one in found} == {found[0][1]["run"]}
        assert found[0][1]["machine"]["cpus"] >= 1 and found[0][1]["arguments"] == ["--runs", "2"], found[0]
        assert found[-1][1]["outcome"] == "complete", found[-1]


@case
def what_was_there_is_kept():
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"
        record(path)
        record(path)
        found = written(path)
        assert len(found) == 4 and found[0]["run"] != found[2]["run"], found


@case
def a_run_says_how_it_ended():
    for failure, outcome in ((Failure("output: timed out"), "failed"), (Interrupted(), "interrupted")):
        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/results.jsonl"

            def fail(_, failure=failure):
                raise failure

            assert refusal(lambda: record(path, fail)) == str(failure)
            end = written(path)[-1]
            assert (end["outcome"], end["reason"]) == (outcome, str(failure)), end


@case
def another_file_stays_as_it_is():
    for other in ("#!/bin/sh\n", "{}", '{"type":"run","format":"other/1"}\n'):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "results.jsonl"
            path.write_text(other)
            assert "no results file" in refusal(lambda: run_in(folder))
            assert path.read_text() == other


@case
def a_line_that_was_cut_off_is_ended():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "results.jsonl"
        record(path)
        with open(path, "a") as file:
            file.write('{"type":"sam')
        run_in(folder)
        lines = path.read_text().splitlines()
        assert len(lines) == 4 and lines[2] == '{"type":"sam', lines


@case
def there_is_one_writer():
    with tempfile.TemporaryDirectory() as folder:
        first = run_in(folder)
        assert "another measurement" in refusal(lambda: run_in(folder))
        os.close(first.file)
        run_in(folder)


@case
def a_full_disk_is_an_error():
    assert "No space left" in refusal(lambda: record("/dev/full"))


@case
def half_a_record_is_taken_back():
    """A limit of the file's size does what a full disk does: part of a record is written, then none."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/results.jsonl"

        def fill(results):
            results.absent("qemu", "stub", "finished")
            resource.setrlimit(resource.RLIMIT_FSIZE, (os.path.getsize(path) + 100, before[1]))
            results.absent("qemu", "stub", "x" * 1000)

        try:
            line = refusal(lambda: record(path, fill))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, handler)
        assert "File too large" in line and "what was finished before is kept" in line, line
        assert written(path)[1]["reason"] == "finished"


@case
def results_are_optional():
    record(None, lambda results: results.absent("qemu", "stub", "is not installed"))
