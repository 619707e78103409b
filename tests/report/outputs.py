"""What a report leaves: the page, the pictures, lines of text; whole or not at all."""
import os
import re
import subprocess

import sample
from kit import case, expect, expect_equal, scratch
from reporting import expect_refused, package, program, report


def results(folder):
    return sample.write(folder / "results.jsonl", sample.records())


def one_picture(folder):
    """Where it does not matter what is drawn."""
    return sample.write(
        folder / "results.jsonl", [record for record in sample.records(5) if record["type"] in ("run", "stages")]
    )


@case
def the_page_lies_beside_the_first_file():
    with scratch() as folder:
        result = report(results(folder))
        expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr")
        expect_equal(sorted(entry.name for entry in folder.iterdir()), ["results.html", "results.jsonl"], "files")
        line = next(
            line for line in result.stdout.splitlines() if line.startswith("first output (stub)") and "qemu" in line
        )
        expect(re.search(r"6\d\.\d ms +6\d\.\d\d \[6\d\.\d\d \.\. 6\d\.\d\d\]$", line), line)
        expect("not measured: kvmtool" in result.stdout, "nothing of what is absent")


@case
def the_page_needs_nothing_else():
    with scratch() as folder:
        report(results(folder))
        page = (folder / "results.html").read_text()
        expect("default-src 'none'" in page, "no policy")
        for word in ("http:", "https:", "<script", "<link", "src=", "@import", 'url("', "<!DOCTYPE svg", "<?xml"):
            expect(word not in page, f"the page has {word}")
        expect(page.count("<svg") == 16, f"{page.count('<svg')} pictures")


def marked_up(value):
    """The same record with markup in every text that may have it."""
    if isinstance(value, dict):
        fixed = ("type", "format", "run", "unit", "outcome", "started", "ended")
        return {key: part if key in fixed else marked_up(part) for key, part in value.items()}
    if isinstance(value, list):
        return [marked_up(part) for part in value]
    return f'<b id="x">&{value}' if isinstance(value, str) else value


@case
def names_are_no_markup():
    with scratch() as folder:
        result = report(sample.write(folder / "results.jsonl", map(marked_up, sample.records(5))))
        expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr")
        page = (folder / "results.html").read_text()
        expect(not re.search(r"<b\b(?!>)", page), "a name became markup")
        for word in ("compare", "mayfly", "exec", "4 KiB reads", "lkvm is not installed"):
            expect(f"&lt;b id=&quot;x&quot;&gt;&amp;{word}" in page, f"{word} is not there as it was written")


@case
def pictures_as_files():
    with scratch() as folder:
        expect_equal(report(results(folder), "--png", str(folder / "new" / "png")).returncode, 0, "status")
        files = sorted((folder / "new" / "png").iterdir())
        expect_equal(len(files), 8, f"pictures ({files})")
        for file in files:
            data = file.read_bytes()
            expect(data.startswith(b"\x89PNG"), f"{file} is no PNG")
            expect(int.from_bytes(data[16:20], "big") >= 1440, f"{file} is not twice as fine as the page")


@case
def the_same_results_give_the_same_page():
    with scratch() as folder:
        report(results(folder), "--html", str(folder / "a"))
        report(results(folder), "--html", str(folder / "b"))
        expect((folder / "a").read_bytes() == (folder / "b").read_bytes(), "two pages differ")


@case
def several_files_are_several_runs():
    with scratch() as folder:
        other = [{**record, "run": "other"} for record in sample.records(30)]
        first, second = results(folder), sample.write(folder / "second", other)
        expect_equal(report(first, second, first, "--html", str(folder / "both.html")).stderr, "", "stderr")
        page = (folder / "both.html").read_text()
        expect_equal(page.count("<section "), 2, "runs")
        ids = re.findall(r'\bid="([^"]*)"', page)
        expect_equal(len(ids), len(set(ids)), "ids and different ids")


@case
def ratios_alone():
    with scratch() as folder:
        result = report(results(folder), "--ratio", "qemu/mayfly", "--guest", "kernel")
        expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr")
        expect_equal(len(result.stdout.splitlines()), 2, f"lines ({result.stdout})")
        expect(
            re.search(r"first output \(kernel\) +qemu/mayfly +2\.\d\d \[ 2\.\d\d \.\.  2\.\d\d\]", result.stdout),
            result.stdout,
        )
        expect_equal([entry.name for entry in folder.iterdir()], ["results.jsonl"], "files")


@case
def what_was_there_stays_when_writing_fails():
    with scratch() as folder:
        path = one_picture(folder)
        expect_refused(report(path, "--html", "/dev/full"), "/dev/full", "No space left", "--html")
        expect(not os.path.isfile("/dev/full"), "a device was replaced")
        expect_refused(report(path, "--html", str(folder / "none" / "x.html")), "x.html", "No such file")
        expect_refused(report(path, "--html", str(folder)), "Is a directory")
        expect_refused(report(path, "--html", path), "one of the files to read")
        expect_refused(report(path, "--html", str(folder / "ok.html"), "--png", path), "File exists", "--png")
        # A limit on the size of files is what a full disk is: a part is written, and then no more.
        old = folder / "old.html"
        old.write_text("old")
        full = subprocess.run(
            ["sh", "-c", 'ulimit -f 20; trap "" XFSZ; exec "$0" report "$1" --html "$2"', program(), path, old],
            capture_output=True,
            text=True,
            check=False,
        )
        expect_refused(full, "old.html", "File too large")
        expect_equal(old.read_text(), "old", "the old page")
        expect_equal(
            sorted(entry.name for entry in folder.iterdir()), ["ok.html", "old.html", "results.jsonl"], "files"
        )


@case
def a_full_standard_output():
    with scratch() as folder, open("/dev/full", "w") as full:
        expect_refused(report(one_picture(folder), stdout=full), "standard output", "No space left")


@case
def no_display_home_or_locale_is_needed():
    with scratch() as folder:
        bare = {
            "LC_ALL": "C",
            "MPLBACKEND": "TkAgg",
            "MATPLOTLIBRC": "/nonexistent",
            "HOME": "/nonexistent",
            "PYTHONPATH": "/nonexistent",
            "PYTHONHOME": "/nonexistent",
        }
        result = report(results(folder), env=bare)
        expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr")


@case
def a_missing_package_is_named():
    with scratch() as folder:
        without = (
            "import sys; sys.modules['matplotlib'] = None; sys.path.insert(0, sys.argv[1]); "
            "from mayfly_bench.main import main; sys.exit(main(['report', sys.argv[2]]))"
        )
        result = subprocess.run(
            ["/usr/bin/python3", "-IBc", without, package(), results(folder)],
            capture_output=True,
            text=True,
            check=False,
        )
        expect_refused(result, "matplotlib", "apt-get install python3-matplotlib")
        alone = folder / "bin"
        alone.mkdir()
        (alone / "mayfly-bench").write_bytes(open(program(), "rb").read())
        (alone / "mayfly-bench").chmod(0o755)
        result = subprocess.run([alone / "mayfly-bench", "report", "x"], capture_output=True, text=True, check=False)
        expect_refused(result, "lib/mayfly/bench")
