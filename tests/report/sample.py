"""Results as a laboratory on a two-core machine would write them: all types of record, from a fixed seed."""
import json
import random

RUN = "20261128T163000Z-1234-7f3a"
MEDIANS_US = {
    "stub": {"floor": 952, "mayfly": 1004, "firecracker": 7400, "qemu": 61000},
    "kernel": {"mayfly": 48200, "firecracker": 71500, "qemu": 128000},
}
STAGES_US = {
    "floor": {"exec": 420, "kvm": 330, "first output": 202},
    "mayfly": {
        "exec": 431,
        "options": 12,
        "kvm": 214,
        "memory": 118,
        "devices": 61,
        "load": 14,
        "tables": 31,
        "sandbox": 19,
        "cpu": 84,
        "first output": 20,
    },
    "firecracker": {"exec": 1900, "kvm": 900, "sandbox": 1800, "api": 1400, "load": 600, "first output": 800},
}


def header(run=RUN, command="compare", started="2026-11-28T16:30:00Z", **more):
    return {
        "type": "run",
        "format": "mayfly-bench/1",
        "run": run,
        "command": command,
        "arguments": ["--runs", "100"],
        "started": started,
        "reference": "floor",
        "machine": {
            "kernel": "6.18.5",
            "cpu": "AMD EPYC 9B14",
            "cpus": 2,
            "memory_kib": 24648132,
            "kvm": "kvm_amd",
            "is_virtual": True,
            "load": 0.5,
        },
        **more,
    }


def series(generator, median, count, spread=0.03):
    """Skewed to the right, as times are, with a late one now and then."""
    return [
        round(
            median
            * (1 + abs(generator.gauss(0, spread)) - spread * 0.6)
            * (generator.uniform(1.3, 2.2) if generator.random() < 0.02 else 1),
            1,
        )
        for _ in range(count)
    ]


def records(count=100):
    generator = random.Random(8)
    yield header()
    words = {
        "floor": ["/usr/local/bin/mayfly-floor"],
        "mayfly": ["/usr/local/bin/mayfly", "run", "--", "quiet"],
        "firecracker": ["/usr/bin/firecracker", "--no-api", "--config-file", "/proc/self/fd/3"],
        "qemu": [
            "/usr/bin/qemu-system-x86_64",
            "-M",
            "microvm,rtc=off,pit=off,pic=off",
            "-enable-kvm",
            "-nodefaults",
            "-no-user-config",
            "-nographic",
            "-kernel",
            "/usr/local/lib/mayfly/stub.elf",
            "-serial",
            "stdio",
        ],
    }
    for program, command in words.items():
        yield {"type": "program", "run": RUN, "program": program, "guest": "stub", "version": "0.1.0", "words": command}
    for guest, medians in MEDIANS_US.items():
        for program, median in medians.items():
            for figure, later in (("first output", 1), ("end", 1.4)):
                yield {
                    "type": "samples",
                    "run": RUN,
                    "program": program,
                    "guest": guest,
                    "figure": figure,
                    "unit": "us",
                    "samples": series(generator, median * later, count),
                }
    for program, stages in STAGES_US.items():
        yield {
            "type": "stages",
            "run": RUN,
            "program": program,
            "guest": "stub",
            "unit": "us",
            "stages": [
                {"name": name, "samples": series(generator, took, count, 0.08)} for name, took in stages.items()
            ],
        }
    yield from memory_and_rates(generator)
    yield from throughput(generator)
    yield {
        "type": "absent",
        "run": RUN,
        "program": "kvmtool",
        "guest": "stub",
        "reason": "lkvm is not installed; give --peer kvmtool=PATH",
    }
    yield {
        "type": "absent",
        "run": RUN,
        "program": "cloud-hypervisor",
        "guest": "",
        "reason": "cloud-hypervisor is not installed; give --peer cloud-hypervisor=PATH",
    }
    yield {"type": "end", "run": RUN, "ended": "2026-11-28T16:34:10Z", "outcome": "complete", "reason": ""}


def memory_and_rates(generator):
    for program, (process, kernel) in {"mayfly": (210, 610), "firecracker": (2900, 780), "qemu": (17400, 1500)}.items():
        yield {
            "type": "density",
            "run": RUN,
            "program": program,
            "guest": "stub",
            "guest_memory_kib": 131072,
            "points": [
                {
                    "vms": vms,
                    "process_kib": round(process * (1 + 0.4 / vms), 1),
                    "kernel_kib": round(kernel * (1 + generator.gauss(0, 0.04)), 1),
                }
                for vms in (1, 10, 25, 50, 100)
            ],
        }
    for in_flight in (1, 2, 4, 8, 16):
        for program, most in {"floor": 1480, "mayfly": 1310, "firecracker": 180, "qemu": 24}.items():
            rate = most * min(1, 0.62 + 0.38 * (in_flight > 1))
            yield {
                "type": "rate",
                "run": RUN,
                "program": program,
                "guest": "stub",
                "in_flight": in_flight,
                "unit": "1/s",
                "samples": [round(rate * generator.gauss(1, 0.03), 2) for _ in range(20)],
            }


def throughput(generator):
    for figure, medians in {
        "4 KiB reads": {"floor": 767000, "mayfly": 665000, "qemu": 412000},
        "frames of 64 bytes": {"floor": 945000, "mayfly": 836000, "qemu": 610000},
    }.items():
        for program, median in medians.items():
            yield {
                "type": "samples",
                "run": RUN,
                "program": program,
                "guest": "unikernel",
                "figure": figure,
                "unit": "1/s",
                "samples": [round(median * generator.gauss(1, 0.04)) for _ in range(15)],
            }


def wide_records(programs, count=60):
    """As many programs as there are, all measured in the same way, with values far apart."""
    generator = random.Random(9)
    yield header()
    for at, program in enumerate(programs):
        common = {"run": RUN, "program": program, "guest": "debian"}
        median = 900 * 2.7**at
        for figure in ("first output", "end"):
            yield {
                "type": "samples",
                **common,
                "figure": figure,
                "unit": "us",
                "samples": series(generator, median, count),
            }
        yield {
            "type": "samples",
            **common,
            "figure": "a figure of which the name is long, per second",
            "unit": "1/s",
            "samples": [1e9 / median * generator.uniform(0.9, 1.1) for _ in range(7)],
        }
        yield {
            "type": "stages",
            **common,
            "unit": "us",
            "stages": [
                {"name": f"a stage, the {stage}th" if stage > 3 else f"s{stage}", "samples": [median / 14] * 3}
                for stage in range(14)
            ],
        }
        yield {
            "type": "density",
            **common,
            "guest_memory_kib": 262144,
            "points": [{"vms": vms, "process_kib": median, "kernel_kib": 500} for vms in (1, 1000)],
        }
        for in_flight in (1, 3, 10, 1000):
            yield {
                "type": "rate",
                **common,
                "in_flight": in_flight,
                "unit": "1/s",
                "samples": [1e6 / median, 1e6 / median * 1.1],
            }
    yield {
        "type": "end",
        "run": RUN,
        "ended": "2026-11-28T16:34:10Z",
        "outcome": "failed",
        "reason": "qemu: exit status 1",
    }


def lines(some):
    return "".join(json.dumps(record) + "\n" for record in some)


def write(path, some):
    path.write_text(lines(some), encoding="utf-8")
    return str(path)


if __name__ == "__main__":
    print(lines(records()), end="")
