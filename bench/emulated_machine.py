"""Runs a measurement in the emulated machine whose clock counts instructions (tests/nested/run-in-vm -i).

The machine's emulator sometimes stands still: it executes, and its clock does not advance any more. So whoever
measures leaves what is done in a folder, and another machine goes on from there."""

import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RUNNER = os.path.join(HERE, "../tests/nested/run-in-vm")
MACHINES = 6


def newest(folder):
    return max((entry.stat().st_mtime for entry in os.scandir(folder)), default=0.0)


def moves_to_its_end(vm, folder, stall_s):
    """Waits for the end of `vm`; False as soon as nothing in `folder` has changed for `stall_s`."""
    last, last_s = None, time.monotonic()
    while vm.poll() is None:
        time.sleep(0.5)
        now = newest(folder)
        if now != last:
            last, last_s = now, time.monotonic()
        if time.monotonic() - last_s > stall_s:
            return False
    return True


def run(name, folder, inside, stall_s):
    """Runs `inside` (a command) until it ends well, with `folder` as its /out. Exits with a message if not."""
    for number in range(MACHINES):
        # A little more memory each time, so that the next machine does not go the same way.
        vm = subprocess.Popen(
            [RUNNER, "-i", "-m", str(2048 + 32 * number), "-t", "86400", "-o", folder, *inside], start_new_session=True
        )
        try:
            stands_still = not moves_to_its_end(vm, folder, stall_s)
        finally:
            vm.terminate()
            vm.wait()
        if not stands_still:
            if vm.returncode == 0:
                return
            sys.exit(f"{name}: the measurement inside the VM ended with status {vm.returncode}")
        print(f"{name}: the emulated machine stands still; starting another", file=sys.stderr)
    sys.exit(f"{name}: {MACHINES} emulated machines stood still")
