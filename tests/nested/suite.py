#!/usr/bin/python3
"""Runs the cases of the files *_cases.py, inside the VM of run-in-vm; tests/nested/run is the way in.

usage: suite.py --monitor PROGRAM --guest FOLDER [--images FOLDER] [--kernels FOLDER] [--servers FOLDER]
                --out FOLDER [--quick|--long] [--filter REGEX] [--list]

One line per case on stdout (PASS, FAIL or SKIP), and the same in OUT/claims/CASE/result. The console and
the monitor's stderr of each case stay in OUT as CASE.log and CASE.stderr. Status 1 if a case failed.
"""

import argparse
import dataclasses
import functools
import os
import pathlib
import re
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]
from guest import BASE_CMDLINE, Guest, is_reference, monitor_command  # noqa: E402
from kit import Skipped, runner  # noqa: E402

# The slowest first, so that no VM ends alone with one of those.
SUITES = ["console", "api", "disk", "auto_net", "net", "boot", "ending", "server", "snapshot", "image", "jail", "bench"]
PATIENCE_S = 20  # from a case's time limit to the end of all its processes, which takes its time in the emulator


class Context:
    """What one case gets to work with; all its guests die with it."""

    def __init__(self, name, asked):
        self.name = name
        self.monitor = asked.monitor
        self.is_reference = is_reference(asked.monitor)
        self.folder = asked.guest
        self.images = asked.images
        self.kernels = asked.kernels
        self.servers = asked.servers
        self.out = asked.out
        self.guests = []

    def file(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise Skipped(f"{name} is not installed here")
        return path

    def kernel_of_suite(self, suite, form):
        """The path of a kernel of another of Debian's suites, as fetch-kernels names it."""
        path = os.path.join(self.kernels, f"{suite}.{form}")
        if not self.kernels or not os.path.exists(path):
            raise Skipped(f"no kernel of {suite} could be downloaded")
        return path

    def server_image(self, name):
        """The path of an image that make-servers has made of Debian's packages."""
        path = os.path.join(self.servers, f"{name}.img")
        if not self.servers or not os.path.exists(path):
            raise Skipped(f"Debian's packages of {name} could not be downloaded, or no image of them made")
        return path

    def image(self, name):
        """The path of an image that make-images has made, or of another one."""
        return os.path.join(self.images, f"{name}.img") if "/" not in name else name

    def needs_mayfly(self, what):
        if self.is_reference:
            raise Skipped(f"the reference monitor has no {what}")

    def start(
        self,
        kernel,
        cmdline="",
        *,
        initrd="initramfs.cpio",
        memory_mib=128,
        vcpus=1,
        stdin="null",
        more=(),
        base=BASE_CMDLINE,
        keep_open=(),
    ):
        """Boots a guest. kernel and initrd are names in the guest folder, or absolute paths."""
        settings = {
            "kernel": self.file(kernel),
            "initrd": self.file(initrd) if initrd else None,
            "cmdline": f"{base} {cmdline}".strip(),
            "memory_mib": memory_mib,
            "vcpus": vcpus,
            "stdin": stdin,
            "more": list(more),
        }
        return self.start_command(monitor_command(self.monitor, settings), stdin, keep_open)

    def start_command(self, command, stdin="null", keep_open=()):
        suffix = f"-{len(self.guests) + 1}" if self.guests else ""
        guest = Guest(command, os.path.join(self.out, f"{self.name}{suffix}.log"), stdin, keep_open)
        self.guests.append(guest)
        return guest

    def close(self):
        for guest in self.guests:
            guest.close()


def log_tail(name, out):
    """The last lines of consoles and stderr of a case, for people."""
    lines = []
    for path in sorted(
        path for path in pathlib.Path(out).iterdir() if re.fullmatch(rf"{name}(-\d+)?\.(log|stderr)", path.name)
    ):
        tail = path.read_bytes()[-8192:].decode(errors="replace").splitlines()[-20:]
        printable = [re.sub(r"[^\x20-\x7e]", "?", line)[:200] for line in tail]
        lines += [f"    {path.name}: {line}" for line in printable]
    return "\n".join(lines)


def run_case(case, asked):
    @functools.wraps(case.body)
    def with_context():
        context = Context(case.name, asked)
        try:
            case.body(context)
        finally:
            context.close()

    running = runner.Running(dataclasses.replace(case, body=with_context), case.limit_s, patience_s=PATIENCE_S)
    outcome = running.outcome()
    outcome.reason = " ".join(outcome.reason.split())
    return outcome


def claimed(case, asked):
    """Several VMs share OUT and the cases: the first to make a case's folder runs it, and leaves its name there."""
    folder = os.path.join(asked.out, "claims", case.name)
    try:
        os.mkdir(folder)
    except FileExistsError:
        return False
    with open(os.path.join(folder, "vm"), "w", encoding="utf-8") as file:
        file.write(asked.vm)
    return True


def run_all(chosen, asked):
    """Runs the cases that no other VM has claimed and returns how many failed."""
    failed = 0
    for case in chosen:
        if not claimed(case, asked):
            continue
        outcome = run_case(case, asked)
        failed += outcome.result == "FAIL"
        outcome.print()
        if outcome.result == "FAIL":
            tail = log_tail(case.name, asked.out)
            if tail:
                print(tail, flush=True)
        # A file per case, in one rename: no VM overwrites another's, and none is read half.
        path = os.path.join(asked.out, "claims", case.name, "result")
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(f"{case.name}\t{outcome.result}\t{outcome.reason}\t{outcome.seconds:.1f}\n")
        os.rename(path + ".part", path)
    return failed


def warm_up(asked, names):
    """The first reading of a file over 9p is slow; do that before a guest's time runs."""
    for name in names + [asked.monitor]:
        path = os.path.join(asked.guest, name)
        if os.path.exists(path):
            subprocess.run(["cat", path], stdout=subprocess.DEVNULL, check=False)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--monitor", required=True)
    options.add_argument("--guest", required=True)
    options.add_argument("--images", default="", help="the folder of make-images")
    options.add_argument("--kernels", default="", help="the folder of fetch-kernels")
    options.add_argument("--servers", default="", help="the folder of make-servers")
    options.add_argument("--out", required=True)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--long", action="store_true")
    options.add_argument("--filter", default="")
    options.add_argument("--vm", default="", help="this VM's name among those that share OUT")
    options.add_argument("--list", action="store_true")
    asked = options.parse_args()
    cases, _ = runner.load(runner.Tier([f"{name}_cases" for name in SUITES], limit_s=240))
    for case in cases:
        case.name = case.body.__name__.replace("_", "-")
    chosen = runner.chosen(cases, asked)
    if asked.list:
        print("\n".join(case.name for case in chosen))
        sys.exit(0)
    warm_up(asked, ["initramfs.cpio", "cloud.vmlinux", "cloud.bzimage"])
    sys.exit(1 if run_all(chosen, asked) else 0)


if __name__ == "__main__":
    main()
