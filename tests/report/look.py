"""The page as a browser shows it: on a phone, on a desk, in the dark, on paper. Screenshots stay in BUILD_DIR/report."""
import pathlib
import re

import browser
import sample
from kit import Skipped, case, expect, expect_equal, scratch
from reporting import output_folder, report

SCRIPT = (pathlib.Path(__file__).resolve().parent / "look.js").read_text(encoding="utf-8")
# name: width, height, pixels per CSS pixel, dark, media
SCREENS = {
    "phone": (390, 844, 3, False, "screen"),
    "phone-dark": (390, 844, 3, True, "screen"),
    "tablet": (700, 1000, 1, False, "screen"),
    "desktop": (1280, 900, 1, False, "screen"),
    "dark": (1280, 900, 1, True, "screen"),
    "print": (794, 1123, 1, False, "print"),
    "print-dark": (794, 1123, 1, True, "print"),
}


def open_browser():
    chromium = browser.find_chromium()
    if chromium is None:
        raise Skipped("chromium is not installed: apt-get install chromium")
    return browser.Browser(chromium)


def look_at(page, name, pictures):
    """Shows the page on every screen, and expects nothing to complain of."""
    found = []
    with open_browser() as shown:
        for screen, (width, height, scale, dark, media) in SCREENS.items():
            shown.open(page, width, height, scale, dark, media)
            result = shown.evaluate(SCRIPT)
            shown.screenshot(output_folder() / f"{name}-{screen}.png")
            complaints = result["complaints"] + shown.complaints() + shown.requests()
            found += [f"{screen}: {complaint}" for complaint in complaints[:10]]
            expect_equal(result["pictures"], pictures, f"{screen}: pictures")
            if media == "print":
                expect_equal(result["background"], "rgb(255, 255, 255)", "paper")
        shown.print_to(output_folder() / f"{name}.pdf")
    expect(not found, "\n  ".join(found))


def page_of(records, name):
    results = sample.write(output_folder() / f"{name}.jsonl", records)
    result = report(results)
    expect_equal((result.returncode, result.stderr), (0, ""), "status and stderr")
    return output_folder() / f"{name}.html"


@case
def a_usual_report():
    look_at(page_of(sample.records(), "usual"), "usual", 8)


@case
def eight_programs_with_long_names():
    names = [
        "floor",
        "mayfly",
        "qemu",
        "kvmtool",
        "firecracker",
        "cloud-hypervisor",
        "a monitor with a rather long name, version 17",
        "$x_1^2$ <b>&\"'</b> \U0001f98b 蜉蝣",
    ]
    look_at(page_of(sample.wide_records(names), "wide"), "wide", 6)


@case
def one_sample_of_each_and_a_run_that_was_interrupted():
    some = [record for record in sample.records(1) if record["type"] not in ("end", "density")]
    one = {
        "type": "density",
        "run": sample.RUN,
        "program": "mayfly",
        "guest": "stub",
        "guest_memory_kib": 131072,
        "points": [{"vms": 1, "process_kib": 0, "kernel_kib": -12.5}],
    }
    end = {
        "type": "end",
        "run": sample.RUN,
        "ended": "2026-11-29T00:01:10Z",
        "outcome": "interrupted",
        "reason": "SIGINT",
    }
    page = page_of([*some, one, end], "least")
    expect("was interrupted: SIGINT" in page.read_text(), "no word of the interruption")
    look_at(page, "least", 8)


@case
def a_run_that_measured_nothing():
    page = page_of([sample.header(reference="")], "nothing")
    expect("Nothing was measured" in page.read_text() and "it was killed" in page.read_text(), "no word of it")
    look_at(page, "nothing", 0)


@case
def faults_are_seen():
    """A page with one of each fault: else a look that finds nothing says nothing."""
    faults = {
        '<p style="width: 900px">wide</p>': "the page is",
        '<p style="color: #999">pale</p>': "contrast",
        '<p style="width: 2em; white-space: nowrap">more than its box</p>': "wider than its box",
        "<p>NaN</p>": "no text for people",
        "<p> </p>": "nothing is in a",
        '<i id="r1"></i>': "an id stands twice",
        '<svg viewBox="0 0 300 99" aria-label="1"><text x="290" y="50">over the edge</text></svg>': "over the edge of a picture",
        '<svg viewBox="0 0 300 99" aria-label="1"><text x="9" y="50">one</text><text x="9" y="52">two</text></svg>': "text over",
        '<svg viewBox="0 0 300 99" aria-label="1"></svg>': "an empty picture",
        '<svg viewBox="0 0 900 99" aria-label="1"><text y="50">small</text></svg>': "too small",
    }
    good = page_of([sample.header()], "nothing").read_text()
    with scratch() as folder, open_browser() as shown:
        for fault, words in faults.items():
            (folder / "page.html").write_text(good.replace("</main>", f"{fault}</main>"))
            shown.open(folder / "page.html", *SCREENS["phone"])
            complaints = shown.evaluate(SCRIPT)["complaints"]
            expect(any(words in complaint for complaint in complaints), f"{fault} is not seen: {complaints}")
        (folder / "page.html").write_text(good.replace("</main>", '<img src="http://192.0.2.1/x.png"></main>'))
        shown.open(folder / "page.html", *SCREENS["phone"])
        expect(shown.complaints() + shown.requests(), "a picture from elsewhere is not seen")


@case
def colours_stand_out_on_both_papers():
    from mayfly_bench.report import canvas

    style = pathlib.Path(canvas.__file__).with_name("page.css").read_text(encoding="utf-8")
    papers = re.findall(r"--paper: (#[0-9a-f]+)", style)
    expect_equal(len(papers), 3, "papers")
    for colour in [*canvas.PROGRAMS.values(), *canvas.OTHERS, *canvas.STAGES]:
        for paper in papers:
            light, dark = sorted((luminance(colour), luminance(paper)), reverse=True)
            expect((light + 0.05) / (dark + 0.05) >= 3, f"{colour} on {paper}: {(light + 0.05) / (dark + 0.05):.2f}")


def luminance(colour):
    """WCAG 2.1, of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    parts = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]
