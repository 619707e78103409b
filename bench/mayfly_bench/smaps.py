"""What a process keeps for itself, as /proc/PID/smaps tells it (proc(5))."""

import dataclasses
import re

from .failure import Failure, of_os_error

AREA = re.compile(r"([0-9a-f]+)-([0-9a-f]+) \S+ +\S+ +\S+ +\S+ *(.*)")
DETAIL = re.compile(r"([^: ]+):(?: +([0-9]+) kB)?")
PRIVATE = ("Private_Clean", "Private_Dirty")


@dataclasses.dataclass
class Area:
    start: int
    end: int
    name: str  # a file, "[heap]", "[stack]", ..., or "" for anonymous memory
    private_kib: int = 0
    resident_kib: int = 0

    @property
    def size(self):
        return self.end - self.start


def parse(text):
    """The areas, in the order of their addresses. Errors: a line that is not as proc(5) has it."""
    areas = []
    for line in text.splitlines():
        if detail := DETAIL.match(line):
            add_detail(areas, detail[1], detail[2], line)
            continue
        found = AREA.fullmatch(line)
        if not found or int(found[2], 16) <= int(found[1], 16):
            raise Failure(f"smaps: {line[:60]!r} is not as proc(5) has it")
        areas.append(Area(int(found[1], 16), int(found[2], 16), found[3]))
    return areas


def add_detail(areas, name, kib, line):
    if name not in (*PRIVATE, "Rss"):
        return
    if not areas or kib is None:
        raise Failure(f"smaps: {line[:60]!r} is not as proc(5) has it")
    if name == "Rss":
        areas[-1].resident_kib += int(kib)
    else:
        areas[-1].private_kib += int(kib)


def read(pid):
    try:
        with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as file:
            return parse(file.read())
    except OSError as error:
        raise of_os_error(f"/proc/{pid}/smaps", error) from None


def guest_ram(areas, size_bytes):
    """The run of areas that is a guest's RAM: adjacent to each other and together exactly of its size. It can be more
    than one area where files are mapped into guest memory. Of several such runs it is the one with the most memory in
    use. Errors: there is none."""
    runs = []
    for first, area in enumerate(areas):
        size, last = area.size, first
        while size < size_bytes and last + 1 < len(areas) and areas[last + 1].start == areas[last].end:
            last += 1
            size += areas[last].size
        if size == size_bytes:
            runs.append(areas[first : last + 1])
    if not runs:
        raise Failure("guest RAM: no mapping has its size")
    return max(runs, key=lambda run: sum(area.resident_kib for area in run))


def private_kib(areas):
    return sum(area.private_kib for area in areas)


def private_kib_beside_ram(pid, ram_bytes):
    areas = read(pid)
    return private_kib(areas) - private_kib(guest_ram(areas, ram_bytes))
