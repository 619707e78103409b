"""The part of nested-boot and nested-call that runs inside the emulated machine: boots each configuration of plan.json
in turn, and leaves results.json and the guests' consoles in /out."""

import collections
import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import time

OUT, FILES = "/out", "/run/nested-boot"
FIRST_LINE, END = b"MAYFLY-USER-SPACE", b"MAYFLY-END"
LIMIT_S = 60
TRACEFS = "/sys/kernel/tracing"
HISTOGRAMS = {
    "kvm/kvm_exit": "keys=exit_reason",
    "kvm/kvm_pio": "keys=port.hex,rw",
    "kvm/kvm_mmio": "keys=gpa.hex,type",
    "kvm/kvm_msr": "keys=ecx.hex,write",
    "kvm/kvm_cpuid": "keys=function.hex",
}
# AMD64 Architecture Programmer's Manual vol. 2, appendix C, as far as a boot shows them.
SVM_EXITS = {
    0x40: "#DB",
    0x4E: "#PF",
    0x60: "INTR",
    0x64: "VINTR",
    0x65: "CR0 write",
    0x6E: "RDTSC",
    0x72: "CPUID",
    0x78: "HLT",
    0x7B: "IOIO",
    0x7C: "MSR",
    0x7F: "SHUTDOWN",
    0x8D: "XSETBV",
    0x400: "nested page fault",
}


class Boot:
    """One boot: the time to the first line from user space, and when each stretch of console came."""

    def __init__(self, row, index):
        self.console = bytearray()
        self.arrivals = []  # (length of the console, ms since the spawn)
        self.first_line_ms = None
        base = f"{OUT}/{row['name'].replace(' ', '-').replace(',', '')}-{index}"
        read_end, write_end = os.pipe2(os.O_CLOEXEC)
        with open(base + ".stderr", "wb") as stderr:
            actions = [
                (os.POSIX_SPAWN_OPEN, 0, "/dev/null", os.O_RDONLY, 0),
                (os.POSIX_SPAWN_DUP2, write_end, 1),
                (os.POSIX_SPAWN_DUP2, stderr.fileno(), 2),
            ]
            self.start = time.monotonic_ns()
            self.pid = os.posix_spawn(row["command"][0], row["command"], os.environ, file_actions=actions)
        os.close(write_end)
        # On the one CPU there is, a monitor that writes its console byte by byte would be charged for a
        # switch to this program per byte. So this program reads when the CPU has nothing else to do.
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
        try:
            self.listen(read_end)
        finally:
            os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
            os.close(read_end)
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
            with open(base + ".console", "wb") as file:
                file.write(self.console)
        if self.first_line_ms is None:
            with open(base + ".stderr", encoding="utf-8", errors="replace") as file:
                sys.exit(
                    f"{row['name']}: no line from the guest's user space\n{file.read()}\n"
                    + self.console[-1500:].decode(errors="replace")
                )

    def elapsed_ms(self):
        return (time.monotonic_ns() - self.start) / 1e6

    def listen(self, read_end):
        while END not in self.console[-256:]:
            rest_s = LIMIT_S - self.elapsed_ms() / 1000
            if rest_s <= 0 or not select.select([read_end], [], [], rest_s)[0]:
                return
            data = os.read(read_end, 65536)
            if not data:
                return
            now = self.elapsed_ms()
            self.console += data
            self.arrivals.append((len(self.console), now))
            if self.first_line_ms is None and FIRST_LINE in self.console:
                self.first_line_ms = now

    def lines(self):
        """(ms since the spawn, text) of each console line."""
        at, arrivals = 0, iter(self.arrivals)
        upto, when = next(arrivals)
        for line in bytes(self.console).split(b"\n"):
            at += len(line) + 1
            while at > upto:
                following = next(arrivals, None)
                if following is None:
                    break
                upto, when = following
            yield when, line.decode(errors="replace").rstrip("\r")


def write_trace_file(name, text):
    with open(f"{TRACEFS}/{name}", "w", encoding="ascii") as file:
        file.write(text)


def start_histograms():
    if not os.path.exists(f"{TRACEFS}/events"):
        subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACEFS], check=True)
    for event, keys in HISTOGRAMS.items():
        write_trace_file(f"events/{event}/trigger", f"hist:{keys}:sort=hitcount.descending:size=4096")


def stop_histograms():
    """The counted events as lines, the most frequent kinds first."""
    report = []
    for event, keys in HISTOGRAMS.items():
        with open(f"{TRACEFS}/events/{event}/hist", encoding="ascii") as file:
            entries = re.findall(r"\{(.*?)\} hitcount:\s*(\d+)", file.read())
        write_trace_file(f"events/{event}/trigger", f"!hist:{keys}")
        total = sum(int(count) for _, count in entries)
        report.append(f"{event}: {total}")
        for key, count in sorted(entries, key=lambda entry: -int(entry[1]))[:10]:
            key = " ".join(key.split())
            if event == "kvm/kvm_exit":
                reason = int(key.split(":")[1])
                key = SVM_EXITS.get(reason, f"exit {reason:#x}")
            report.append(f"  {count:>8}  {key}")
    return report


def largest_gaps(boot):
    """Where the time passed, as seen on the console: the stretch before each late line."""
    report = ["largest gaps between console lines (ms, from when, the line after the gap):"]
    gaps, before = [], 0.0
    for when, text in boot.lines():
        gaps.append((when - before, before, text))
        before = when
        if FIRST_LINE.decode() in text:
            break
    for gap, since, text in sorted(gaps, reverse=True)[:25]:
        report.append(f"  {gap:8.1f}  {since:8.1f}  {text[:110]}")
    return report


def longest_initcalls(boot):
    calls = collections.Counter()
    for _, text in boot.lines():
        found = re.search(r"initcall (\S+) returned \S+ after (\d+) usecs", text)
        if found:
            calls[found[1]] += int(found[2])
    report = [f"initcalls: {sum(calls.values()) / 1000:.1f} ms together; the longest (ms):"] if calls else []
    return report + [f"  {usecs / 1000:8.1f}  {name}" for name, usecs in calls.most_common(25)]


def boot_plain(row, index, results, runs, warm):
    """Boots one configuration, unless an earlier VM has done so before its clock stopped. `warm`: the names of those that
    this VM has booted; the first time reads their files."""
    done = results[row["name"]]["boots"]
    if len(done) > index:
        return
    if index > 0 and row["name"] not in warm:
        Boot(row, 0)
    warm.add(row["name"])
    boot = Boot(row, index)
    done.append(boot.first_line_ms)
    print(f"{row['name']} {f'{index} of {runs}' if index else 'warm-up'}: {boot.first_line_ms:.1f} ms", flush=True)


def boot_traced(row, results):
    start_histograms()
    boot = Boot(row, 1)
    exits = stop_histograms()
    results[row["name"]]["where"] = largest_gaps(boot) + longest_initcalls(boot) + exits


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        plan = json.load(file)
    os.makedirs(FILES)
    for name in plan["files"]:
        shutil.copy(f"{OUT}/{name}", FILES)
    results = {row["name"]: {"boots": []} for row in plan["rows"]}
    if os.path.exists(f"{OUT}/results.json"):
        with open(f"{OUT}/results.json", encoding="ascii") as file:
            results = json.load(file)

    def save():
        with open(f"{OUT}/results.part", "w", encoding="ascii") as file:
            json.dump(results, file)
        os.rename(f"{OUT}/results.part", f"{OUT}/results.json")

    warm = set()
    plain = [row for row in plan["rows"] if not row["traced"]]
    for index in range(plan["runs"] + 1):
        # There and back, so that a drift of the machine falls on all alike.
        for row in plain if index % 2 == 0 else reversed(plain):
            boot_plain(row, index, results, plan["runs"], warm)
            save()
    for row in plan["rows"]:
        if row["traced"] and "where" not in results[row["name"]]:
            boot_traced(row, results)
            save()


if __name__ == "__main__":
    main()
