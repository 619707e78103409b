"""What a monitor keeps for itself beside its guest's RAM."""

import os

from .. import flags, signals, smaps
from ..failure import of_os_error
from ..probe import Crew, first_line, program
from ..results import recorded

SUMMARY = "What a monitor keeps for itself beside its guest's RAM, while a second one runs."
SETTLE_S = 0.3  # after the first output a monitor may still print, start threads and settle


def add_flags(parser):
    parser.flag("--memory", "RAM of the guest (default 128M)", metavar="SIZE", type=flags.size_kib, default=128 << 10)
    parser.programs("mayfly")
    help = (
        "measure this instead: a path and words, parted by blanks. It prints a line when its guest of that RAM is up,"
    )
    parser.flag("--command", f"{help} and goes on running", metavar="CMD", type=flags.command_words, default=None)
    parser.flag("--verbose", "also what each mapping keeps", action="store_true")
    parser.results()


def run(options, arguments):
    if options.command is None:
        flags.check_usable("--mayfly", options.mayfly)
    flags.check_kvm()
    mayfly = [options.mayfly, "run", "--memory", f"{options.memory}K", "--", "loop"]
    subject = program("mayfly" if options.command is None else "command", options.command or mayfly)
    with recorded(options, "memory", arguments, "") as results:
        results.program(subject, "", first_line(subject["words"][0]) if options.results else "")
        measure(options, subject, results)


def measure(options, subject, results):
    with Crew() as crew:
        # The second one makes shared what can be shared: a page that only one process maps counts as its own, though
        # the next VM would not need another.
        measured, _ = crew.add(subject), crew.add(subject)
        signals.sleep(SETTLE_S)
        areas = smaps.read(measured)
    ram = smaps.guest_ram(areas, options.memory << 10)
    if options.verbose:
        for area in areas:
            print_area(area, "  (guest RAM, not counted)" if area in ram else "")
    path = subject["words"][0]
    try:
        file_bytes = os.stat(path).st_size
    except OSError as error:
        raise of_os_error(path, error) from None
    ram_kib = smaps.private_kib(ram)
    own_kib = smaps.private_kib(areas) - ram_kib
    print(f"private memory beside guest RAM: {own_kib} KiB")
    print(f"guest RAM in use: {ram_kib} of {options.memory} KiB")
    print(f"size of {path}: {file_bytes} bytes")
    for figure, kib in (
        ("private memory", own_kib),
        ("guest RAM in use", ram_kib),
        ("size of the program", file_bytes / 1024),
    ):
        if kib > 0:
            results.samples(subject["name"], "", figure, "KiB", [kib])


def print_area(area, what):
    print(
        f"{area.private_kib:8} KiB private {area.resident_kib:8} KiB resident of {area.size // 1024:8}  {area.start:012x}"
        f"  {area.name or 'anonymous'}{what}"
    )
