"""The program under strace, and which lines of the system call policies its threads have used."""
import collections
import operator
import pathlib
import re
import shlex
import subprocess

from kit import build

COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
OWN_PID = 0x70574E30  # kOwnPid of filter_file.hpp
CALL = re.compile(r"^(\d+) +(\w+)\(([^)]*)")
Line = collections.namedtuple("Line", "role number call conditions")


def policies():
    """The files that the monitor's filters are made of."""
    return [
        str(pathlib.Path(__file__).parents[2] / "monitor/policy" / f"{name}.policy")
        for name in ("main", "setup", "io", "io_plain", "vcpu", "vcpu_saved", "api", build.libc())
    ]


def policy_lines(tool):
    """Every line of them, as `tool` (mayfly-policy) shows them."""
    lines = []
    shown = subprocess.run([tool, "show", *policies()], capture_output=True, text=True, check=True).stdout
    for words in map(str.split, shown.splitlines()):
        conditions = [
            (int(words[i]), int(words[i + 1], 16), words[i + 2], int(words[i + 3], 16)) for i in range(4, len(words), 4)
        ]
        lines.append(Line(words[0], int(words[1]), words[2], conditions))
    return lines


TRACED_PROGRAM = "TRACED_PROGRAM"


class Traced:
    """While it is entered, `kit.program()` runs under strace, as a child of the caller all the same (-D); by another name,
    where the variable TRACED_PROGRAM has one."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def __enter__(self):
        self.real = build.program()
        wrapper = self.folder / "mayfly"
        wrapper.write_text(
            f"#!/bin/sh\nreal={shlex.quote(self.real)}\nexec strace -D -f -qq -s 16 -e raw='!prctl' -e signal=none "
            f'-o {shlex.quote(str(self.folder))}/$$.trace "${{{TRACED_PROGRAM}:-$real}}" "$@"\n'
        )
        wrapper.chmod(0o755)
        build.stand_in(wrapper)
        return self

    def __exit__(self, *_):
        build.stand_in(None)

    def used(self, lines):
        """Those of `lines` that a thread has used, after it had installed its filter."""
        found = set()
        for trace in self.folder.glob("*.trace"):
            process = int(trace.stem)
            found |= used_in(process, trace.read_text(errors="replace").splitlines(), lines)
        return found


def role_of(thread_name, has_ring, has_api):
    if thread_name in ("api", "fc_api"):
        return "api"
    if thread_name == "io":
        return "io" if has_ring else "io-plain"
    if thread_name.startswith(("vcpu", "fc_vcpu")):
        return "vcpu-saved" if has_api else "vcpu"
    return "main"


def number(text):
    try:
        return int(text.strip(), 0)
    except ValueError:  # "<unfinished ...>"
        return 0


def compares(line, values, process):
    """Whether the arguments `values` are what `line` asks for."""
    return all(
        COMPARE[sign](values[argument] & mask, process if value == OWN_PID else value)
        for argument, mask, sign, value in line.conditions
    )


def used_in(process, trace, lines):
    names, roles, rings, used = {}, {}, set(), set()
    has_api = any('PR_SET_NAME, "api"' in line for line in trace)
    is_set_up = False  # main is under the filter that its threads inherit
    for match in filter(None, map(CALL.match, trace)):
        thread, call, arguments = match.groups()
        if call == "prctl" and "PR_SET_NAME" in arguments:
            names[thread] = arguments.split('"')[1]
        if call == "io_uring_register":
            rings.add(thread)
        if call == "seccomp":
            # The first thread has its program's name: it is the boot vCPU's where another is main.
            unnamed = "vcpu0" if "main" in names.values() else "main"
            role = role_of(names.get(thread, unnamed), thread in rings, has_api)
            roles[thread] = "setup" if role == "main" and has_api and not is_set_up else role
            is_set_up |= roles[thread] == "setup"
        filters = {roles.get(thread)} | ({"setup"} if is_set_up and roles.get(thread) != "api" else set())
        if filters != {None}:
            values = [number(text) for text in arguments.split(",")] + [0] * 6
            used |= {
                index
                for index, line in enumerate(lines)
                if line.role in filters and line.call == call and compares(line, values, process)
            }
    return used
