#!/usr/bin/python3
"""Runs the cases of the files *_cases.py, inside the VM of run-in-vm; tests/nested/run is the way in.

usage: suite.py --monitor PROGRAM --guest FOLDER [--images FOLDER] --out FOLDER [--quick|--long] [--filter REGEX] [--list]

One line per case on stdout (PASS, FAIL or SKIP), and the same in OUT/claims/CASE/result. The console and
the monitor's stderr of each case stay in OUT as CASE.log and CASE.stderr. Status 1 if a case failed.
"""

import argparse
import os
import re
import subprocess
import sys
import threading
import time

# Imported for what they register, the slowest first, so that no VM ends alone with one of those.
import console_cases  # noqa: F401
import api_cases  # noqa: F401
import disk_cases  # noqa: F401
import auto_net_cases  # noqa: F401
import net_cases  # noqa: F401
import boot_cases  # noqa: F401
import ending_cases  # noqa: F401
import image_cases  # noqa: F401
import jail_cases  # noqa: F401
import bench_cases  # noqa: F401
from case import ALL
from guest import BASE_CMDLINE, Failure, Guest, Skip, is_reference, monitor_command


class Context:
    """What one case gets to work with, and what ends it: all its guests die with it."""

    def __init__(self, name, limit, asked):
        self.name = name
        self.monitor = asked.monitor
        self.is_reference = is_reference(asked.monitor)
        self.folder = asked.guest
        self.images = asked.images
        self.out = asked.out
        self.guests = []
        self.timed_out = False
        self.limit = limit

    def file(self, name):
        path = os.path.join(self.folder, name)
        if not os.path.exists(path):
            raise Skip(f"{name} is not installed here")
        return path

    def image(self, name):
        """The path of an image that make-images has made, or of another one."""
        return os.path.join(self.images, f"{name}.img") if "/" not in name else name

    def needs_mayfly(self, what):
        if self.is_reference:
            raise Skip(f"the reference monitor has no {what}")

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

    def stop(self):
        """The time limit: killing the monitors fails whatever the case waits for."""
        self.timed_out = True
        for guest in self.guests:
            guest.process.kill()

    def log_tail(self):
        """The last lines of console and stderr, for people."""
        lines = []
        for guest in self.guests:
            for path in (guest.log_path, guest.stderr_path):
                with open(path, "rb") as file:
                    file.seek(max(0, os.path.getsize(path) - 8192))
                    tail = file.read().decode(errors="replace").splitlines()[-20:]
                printable = [re.sub(r"[^\x20-\x7e]", "?", line)[:200] for line in tail]
                lines += [f"    {os.path.basename(path)}: {line}" for line in printable]
        return "\n".join(lines)


def run_case(case, asked):
    """Returns (result, reason, seconds, log tail)."""
    started = time.monotonic()
    context = Context(case.name, case.limit, asked)
    watchdog = threading.Timer(case.limit, context.stop)
    watchdog.daemon = True
    watchdog.start()
    result, reason, tail = "PASS", "", ""
    try:
        case.function(context)
    except Skip as skip:
        result, reason = "SKIP", str(skip)
    except Failure as failure:
        result, reason = "FAIL", str(failure)
    except Exception as error:  # a mistake in a case is that case's failure, not the suite's end
        result, reason = "FAIL", f"{type(error).__name__}: {error}"
    finally:
        watchdog.cancel()
        for guest in context.guests:
            guest.close()
    if context.timed_out:
        result, reason = "FAIL", f"the time limit of {case.limit} s passed ({reason})"
    if result == "FAIL":
        tail = context.log_tail()
    return result, " ".join(reason.split()), time.monotonic() - started, tail


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
        result, reason, seconds, tail = run_case(case, asked)
        failed += result == "FAIL"
        print(f"PASS {case.name} {seconds:.1f}" if result == "PASS" else f"{result} {case.name}: {reason}")
        if tail:
            print(tail)
        sys.stdout.flush()
        # A file per case, in one rename: no VM overwrites another's, and none is read half.
        path = os.path.join(asked.out, "claims", case.name, "result")
        with open(path + ".part", "w", encoding="utf-8") as file:
            file.write(f"{case.name}\t{result}\t{reason}\t{seconds:.1f}\n")
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
    options.add_argument("--out", required=True)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--long", action="store_true")
    options.add_argument("--filter", default="")
    options.add_argument("--vm", default="", help="this VM's name among those that share OUT")
    options.add_argument("--list", action="store_true")
    asked = options.parse_args()
    whens = ["quick"] if asked.quick else ["quick", "always"] + ["long"] * asked.long
    chosen = [case for case in ALL if re.search(asked.filter, case.name) and case.when in whens]
    if asked.list:
        print("\n".join(case.name for case in chosen))
        sys.exit(0)
    warm_up(asked, ["initramfs.cpio", "cloud.vmlinux", "cloud.bzimage"])
    sys.exit(1 if run_all(chosen, asked) else 0)


if __name__ == "__main__":
    main()
