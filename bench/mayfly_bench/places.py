"""Where the programs and files of one build or installation lie: bin, and lib/mayfly beside it."""

import pathlib

MODULES = pathlib.Path(__file__).resolve().parent.parent  # lib/mayfly/bench; in the sources, bench
ROOT = MODULES.parents[2]
PROBE = ROOT / "lib" / "mayfly" / "mayfly-probe"
STUB = ROOT / "lib" / "mayfly" / "stub.elf"
KERNEL = ROOT / "lib" / "mayfly" / "vmlinux"
UNIKERNEL = ROOT / "rootfs" / "unikernel.elf"  # in a build alone
SCHEMA = MODULES / "results.schema.json"


def program(name):
    return ROOT / "bin" / name


def version():
    try:
        return (MODULES / "VERSION").read_text(encoding="ascii").strip()
    except OSError:
        return "(not built)"
