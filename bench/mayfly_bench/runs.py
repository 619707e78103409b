"""The records of files as runs: what was measured together, and so may be compared."""

from .statistics import median, ratio_interval
from .records import Refused, load_validators, read_file


class Run:
    """One run. Its series lie in dictionaries by what may be compared, and in those by program."""

    def __init__(self, header):
        self.id = header["run"]
        self.header = header
        self.programs = []
        self.samples = {}  # (guest, figure) -> {program: record}
        self.stages = {}  # guest -> {program: record}
        self.density = {}  # guest -> {program: record}
        self.rates = {}  # guest -> {in_flight -> {program: record}}
        self.absent = []
        self.end = None
        self.known_ratios = {}

    @property
    def reference(self):
        return self.header["reference"]

    def names(self):
        """All programs of the run, the reference first."""
        series = [*self.samples.values(), *self.stages.values(), *self.density.values()]
        series += [place for flights in self.rates.values() for place in flights.values()]
        return ordered(dict.fromkeys(name for place in series for name in place), self.reference)

    def absences(self):
        """What was not measured: a program, its guests, and why, the guests of one reason together."""
        guests = {}
        for one in self.absent:
            named = guests.setdefault((one["program"], one["reason"]), [])
            named += [one["guest"]] if one["guest"] else []
        return [(program, named, reason) for (program, reason), named in guests.items()]

    def ratios(self, series):
        """{program: Ratio} to the run's reference, empty where that was not measured with them. Computed once."""
        if id(series) not in self.known_ratios:
            reference = series.get(self.reference)
            self.known_ratios[id(series)] = (
                {} if reference is None else {program: Ratio(record, reference) for program, record in series.items()}
            )
        return self.known_ratios[id(series)]

    def place_of(self, record):
        """The dictionary that a record of a program belongs in."""
        kind, guest = record["type"], record["guest"]
        if kind == "samples":
            return self.samples.setdefault((guest, record["figure"]), {})
        if kind == "rate":
            return self.rates.setdefault(guest, {}).setdefault(record["in_flight"], {})
        return {"stages": self.stages, "density": self.density}[kind].setdefault(guest, {})

    def add(self, record, where):
        kind = record["type"]
        if kind == "end":
            if self.end is not None:
                raise Refused(f"{where}: run {self.id} ends twice; remove the line")
            self.end = record
        elif kind == "program":
            self.programs.append(record)
        elif kind == "absent":
            self.absent.append(record)
        else:
            self.add_series(record, where)

    def add_series(self, record, where):
        place, program = self.place_of(record), record["program"]
        if program in place:
            raise Refused(f"{where}: {described(record)} is there already; remove one of the two")
        first = next(iter(place.values()), None)
        if first is not None:
            check_alike(first, record, where)
        if record["type"] == "stages":
            check_stages(record, where)
        place[program] = record


def check_alike(first, record, where):
    """Rounds of all programs pair up, or there is no ratio."""
    if "unit" in record and record["unit"] != first["unit"]:
        raise Refused(
            f"{where}: {described(record)} is in {record['unit']}, but that of {first['program']} in"
            f" {first['unit']}; measure again"
        )
    if "samples" in record and len(record["samples"]) != len(first["samples"]):
        raise Refused(
            f"{where}: {described(record)} has {len(record['samples'])} samples, but that of"
            f" {first['program']} {len(first['samples'])}; rounds must pair up: measure again"
        )


def check_stages(record, where):
    counts = {len(stage["samples"]) for stage in record["stages"]}
    if len(counts) > 1:
        raise Refused(
            f"{where}: {described(record)} have {min(counts)} to {max(counts)} samples, which must be as many"
            " for each; measure again"
        )
    names = [stage["name"] for stage in record["stages"]]
    if len(set(names)) < len(names):
        raise Refused(f"{where}: {described(record)} name a stage twice; measure again")


def described(record):
    """A series in words: `"first output" of qemu (guest stub)`."""
    what = {
        "samples": lambda: f'"{record["figure"]}"',
        "rate": lambda: f"the rate with {record['in_flight']} in flight",
        "stages": lambda: "the stages",
        "density": lambda: "the density",
    }[record["type"]]()
    guest = f" (guest {record['guest']})" if record["guest"] else ""
    return f"{what} of {record['program']}{guest}"


def load(paths):
    """Returns the runs of all files in the order met, and warnings. The same record twice counts once."""
    validators = load_validators()
    runs, seen, warnings = {}, set(), []
    for path in paths:
        records, warning = read_file(path, validators)
        warnings += [warning] if warning else []
        for number, record in records:
            where = f"{path}:{number}"
            key = repr(record)
            if key in seen:
                continue
            seen.add(key)
            run = runs.get(record["run"])
            if record["type"] == "run":
                if run is not None:
                    raise Refused(f"{where}: another run of the id {run.id}, with another header; give one of the two")
                runs[record["run"]] = Run(record)
            elif run is None:
                raise Refused(
                    f"{where}: run {record['run']} has no record of type \"run\" before this one;"
                    " give the file that has it first"
                )
            else:
                run.add(record, where)
    return list(runs.values()), warnings


class Ratio:
    """Of two medians of one run, with the 95 % interval."""

    def __init__(self, record, reference):
        self.value = self.low = self.high = 1.0
        if record is not reference:
            self.value = median(record["samples"]) / median(reference["samples"])
            self.low, self.high = ratio_interval(record["samples"], reference["samples"])


def ordered(series, reference):
    """Programs as shown: the reference first, the others as measured."""
    return sorted(series, key=lambda program: program != reference)
