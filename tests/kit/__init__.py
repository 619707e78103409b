"""What all tiers of tests share.

    cases      declaring a case; what it says when something is not as expected
    runner     runs the cases of a tier, each in processes of its own
    keeper     a process that ends with all its descendants, whatever becomes of whoever started it
    build      the programs under test
    api        a client of Firecracker's API over a Unix socket
    terminal   a pseudo-terminal
    steps      what ./check does: steps with a time limit, and their sums
"""
from kit.build import build_folder, is_sanitized, mayfly, monitor_pid, program, scratch, scratch_file
from kit.cases import TIME_LIMIT_S, Failed, Skipped, case, expect, expect_equal, expect_refused

__all__ = [
    "TIME_LIMIT_S",
    "Failed",
    "Skipped",
    "build_folder",
    "case",
    "expect",
    "expect_equal",
    "expect_refused",
    "is_sanitized",
    "mayfly",
    "monitor_pid",
    "program",
    "scratch",
    "scratch_file",
]
