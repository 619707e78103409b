"""mayfly-bench report: results files as pictures and tables. METHOD.md says what they mean.

usage: mayfly-bench report FILE... [--html OUT] [--png FOLDER] [--ratio PROGRAM/PROGRAM [--guest G]]
"""

import logging
import os
import pathlib
import sys
import warnings

from .. import flags, runs
from ..flags import Parser
from ..records import Refused

EXPLANATION = """\
Writes one HTML file that needs nothing else, by default beside the first FILE, and prints medians and ratios.
Several files are several runs, and ratios are of programs of one run.
"""


def parse(arguments):
    parser = Parser("report", EXPLANATION, "FILE... [flags]", status=2)
    parser.add_argument("files", nargs="+", metavar="FILE", help="what --results of a measurement wrote")
    parser.add_argument("--html", metavar="OUT", help="the report (default: the first FILE's name with .html)")
    parser.add_argument("--png", metavar="FOLDER", help="the pictures as PNG files too")
    parser.add_argument(
        "--ratio",
        metavar="PROGRAM/PROGRAM",
        help="print only the ratios of these two; no report, unless --html or --png asks for one",
    )
    parser.add_argument("--guest", metavar="G", help="with --ratio: only with this guest")
    options = parser.parse_intermixed_args(arguments)
    if options.ratio is not None and (options.ratio.count("/") != 1 or not all(options.ratio.split("/"))):
        parser.error(f"--ratio {options.ratio}: write PROGRAM/PROGRAM")
    if options.guest is not None and options.ratio is None:
        parser.error("--guest goes with --ratio")
    return options


def check_packages():
    # What a user has set up for plots of theirs is not for these.
    for name in ("MPLBACKEND", "MATPLOTLIBRC"):
        os.environ.pop(name, None)
    logging.getLogger("matplotlib").setLevel(logging.CRITICAL)
    warnings.simplefilter("ignore")
    for name in ("numpy", "matplotlib", "jsonschema"):
        try:
            __import__(name)
        except ImportError:
            raise SystemExit(complain(f"needs Python's {name}: apt-get install python3-{name}")) from None


def complain(line):
    flags.complain(f"report: {line}")
    return 1


def report(options):
    from . import summary  # only now, since these need the packages

    found, cautions = runs.load(options.files)
    for caution in cautions:
        complain(caution)
    if options.ratio is None:
        summary.print_summary(found)
    else:
        summary.print_ratio(found, *options.ratio.split("/"), options.guest)
    if options.ratio is None or options.html or options.png:
        write_pictures(options, found)
    sys.stdout.flush()


def write_pictures(options, found):
    from . import page
    from .output import make_folder, write_whole

    html = options.html or (None if options.ratio else str(pathlib.Path(options.files[0]).with_suffix(".html")))
    check_is_no_input(html, options.files)
    pictures = [page.pictures_of(run) for run in found]
    if html:
        write_whole(html, page.page(found, pictures).encode("utf-8"))
    if options.png:
        make_folder(options.png)
        for name, picture in named(pictures, page.slug):
            write_whole(os.path.join(options.png, f"{name}.png"), picture.png())


def check_is_no_input(html, files):
    if html and os.path.exists(html) and any(os.path.samefile(html, file) for file in files):
        raise Refused(f"{html}: is one of the files to read; name another place with --html")


def named(pictures, slug):
    """Names of files: the pictures' titles, with the run's number where there are several."""
    for at, of_run in enumerate(pictures, 1):
        names = {}
        for picture in of_run:
            if picture.draw is None:
                continue
            name = slug(picture.title)[:100] if len(pictures) == 1 else f"{at}-{slug(picture.title)[:100]}"
            names[name] = names.get(name, 0) + 1
            yield (name if names[name] == 1 else f"{name}-{names[name]}"), picture


def main(arguments):
    options = parse(arguments)
    check_packages()
    sys.stdout.reconfigure(errors="replace")
    try:
        report(options)
    except Refused as refusal:
        return complain(str(refusal))
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Nothing more can go there, not even what Python would write at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return complain(f"standard output: {error.strerror}")
    return 0
