"""From the cost of one VM to a fleet: simulates calls on a sample of thousands of hosts. See bench/SCALE.md."""

import argparse
import importlib
import os
import sys
import time

sys.dont_write_bytecode = True
try:
    for needed in ("numpy", "simpy"):
        importlib.import_module(needed)
except ImportError as missing:
    sys.exit(f"scale: Python's module {missing.name} is missing; install python3-simpy3 and python3-numpy")

import experiments
import fleet
import parameters as parameters_file
import report
import results_file

FULL = {"hosts": 4000, "hours": 1 / 6, "seeds": 4, "sampled": 5, "spreads": experiments.SPREADS}
QUICK = {"hosts": 400, "hours": 1 / 30, "seeds": 2, "sampled": 1, "spreads": (1,)}
QUIET_S = 3  # a shorter run shows no progress


def number(kind, lowest, highest):
    def parse(text):
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value is None or not lowest <= value <= highest:
            wanted = "a whole number" if kind is int else "a number"
            raise argparse.ArgumentTypeError(f"{text}: {wanted} from {lowest:g} to {highest:g} is wanted")
        return value

    return parse


class Parser(argparse.ArgumentParser):
    def error(self, message):
        sys.exit(f"scale: {message}; --help tells more")


def options():
    parser = Parser(prog="scale", description=__doc__)
    parser.add_argument(
        "--parameters", metavar="FILE", default=parameters_file.DEFAULT_FILE, help="in place of parameters.json"
    )
    parser.add_argument(
        "--results", metavar="FILE", help="take Mayfly's start and memory from what mayfly-bench measured"
    )
    parser.add_argument("--hosts", type=number(int, 10, 20_000), help="of the fleet (4000; with --quick 400)")
    parser.add_argument(
        "--hours", type=number(float, 0.01, 24), help="measured on each sampled host (1/6; with --quick 1/30)"
    )
    parser.add_argument("--seed", type=number(int, 0, 2**31), default=1, help="the first one (1)")
    parser.add_argument("--png", metavar="FOLDER", help="draw pictures into it")
    parser.add_argument("--jobs", type=number(int, 1, 64), default=min(2, os.cpu_count() or 1), help="processes (2)")
    parser.add_argument("--quick", action="store_true", help="a small sample, in seconds: to see that it works")
    return parser.parse_args()


def progress_from(start):
    def show(done, total):
        seconds = time.monotonic() - start
        if seconds > QUIET_S:
            end = "\n" if done == total else ""
            print(f"\rscale: {done} of {total} hosts, {seconds:.0f} s ", end=end, file=sys.stderr, flush=True)

    return show


def pictures_for(folder):
    """The module that draws, if it can: better to know before the simulation than after it."""
    try:
        os.makedirs(folder, exist_ok=True)
        if not os.access(folder, os.W_OK):
            sys.exit(f"scale: {folder}: no permission to write into it")
        import pictures
    except ImportError as missing:
        sys.exit(f"scale: Python's module {missing.name} is missing; install python3-matplotlib")
    except OSError as error:
        sys.exit(f"scale: {folder}: {error.strerror}")
    return pictures


def main():
    asked = options()
    pictures = pictures_for(asked.png) if asked.png else None
    sizes = QUICK if asked.quick else FULL
    taken = "parameters only"
    try:
        parameters = parameters_file.read(asked.parameters)
        if asked.results:
            values, taken, warnings = results_file.measured(asked.results)
            for warning in warnings:
                print(f"scale: {warning}", file=sys.stderr)
            parameters["monitors"]["mayfly"].update(values)
    except (parameters_file.BadParameters, results_file.BadResults) as error:
        sys.exit(f"scale: {error}")
    plan = fleet.Plan(
        hosts=asked.hosts or sizes["hosts"],
        seeds=tuple(range(asked.seed, asked.seed + sizes["seeds"])),
        sampled=sizes["sampled"],
        seconds=3600 * (asked.hours or sizes["hours"]),
    )
    found, settling = experiments.run(parameters, plan, asked.jobs, progress_from(time.monotonic()), sizes["spreads"])
    print(report.method_lines(found, settling, plan, fleet.little_gib(parameters, plan)))
    print(f"Mayfly's cost: {taken}.")
    for table in (report.main_table, report.image_table, report.limit_table):
        print("\n" + table(found))
    sys.stdout.flush()
    if pictures:
        pictures.draw(parameters, found, asked.png)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(f"scale: {error.filename or 'standard output'}: {error.strerror}")
