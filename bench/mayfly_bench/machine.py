"""The machine and kernel that a measurement runs on: what a reader needs to judge its figures, and what memory is
left. What cannot be found out stays empty: a measurement does not fail for it."""

import os

PAGE_KIB = os.sysconf("SC_PAGESIZE") // 1024


def facts():
    cpus = proc_text("/proc/cpuinfo")
    return {
        "kernel": os.uname().release,
        "cpu": proc_value(cpus, "model name"),
        "cpus": len(os.sched_getaffinity(0)),
        "memory_kib": proc_kib(proc_text("/proc/meminfo"), "MemTotal"),
        "kvm": kvm_module(),
        "is_virtual": "hypervisor" in proc_value(cpus, "flags").split(),
        "load": os.getloadavg()[0],
    }


def kvm_module():
    """Behind /dev/kvm."""
    names = ("kvm_intel", "kvm_amd", "kvm_pvm")
    return next((name for name in names if os.path.exists(f"/sys/module/{name}")), "")


def is_software_kvm(kvm):
    """KVM without hardware virtualization: what a guest's kernel does is interpreted there."""
    return kvm == "kvm_pvm"


def proc_text(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read()
    except OSError:
        return ""


def lines_of(text):
    """Both sides of the colon of each line that has one."""
    for line in text.split("\n"):
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip(), value.strip()


def proc_value(text, wanted):
    """The value of the first line "NAME : value" of a /proc file's text; "" where there is none."""
    return next((value for name, value in lines_of(text) if name == wanted), "")


def proc_kib(text, name):
    """The kilobytes of a line "NAME : N kB", as /proc/meminfo and smaps have them; 0 where there is none."""
    return leading_number(proc_value(text, name))


def leading_number(text):
    first = text.split(" ", 1)[0]
    return int(first) if first.isdecimal() else 0


def pages_kept_by_cpus(zoneinfo):
    """The pages of all zones of /proc/zoneinfo that are free, but kept by a processor for its next request. No figure
    of /proc/meminfo has them, and after many processes have ended they are hundreds of megabytes."""
    return sum(leading_number(value) for name, value in lines_of(zoneinfo) if name == "count")


def available_kib():
    """What could be given to programs now."""
    kept = pages_kept_by_cpus(proc_text("/proc/zoneinfo"))
    return proc_kib(proc_text("/proc/meminfo"), "MemAvailable") + kept * PAGE_KIB
