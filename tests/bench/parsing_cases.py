"""What mayfly-bench reads: traces, /proc, versions, flags."""

import argparse
import ctypes
import json
import mmap
import os
import types

from kit import case
from mayfly_bench import flags, machine, smaps, stages
from mayfly_bench.failure import Failure
from mayfly_bench.versions import version_key, version_number
from mayfly_bench.wording import ratio


def refused(body, *arguments):
    try:
        body(*arguments)
    except (Failure, argparse.ArgumentTypeError) as reason:
        return str(reason)
    raise AssertionError(f"{arguments} is taken")


# --- Traces -----------------------------------------------------------------------------------------------------------


def trace_with(first_exit):
    """Each stage of the monitor takes 10 us, 5 on main; the guest leaves first at `first_exit`."""
    events = [{"name": "process_name", "ph": "M", "pid": 1}]
    events += [{"name": name, "ph": "X", "ts": 10 * at, "dur": 10} for at, name in enumerate(stages.NAMES[1:-2])]
    events += [{"name": name, "ph": "X", "ts": 10 + 5 * at, "dur": 5} for at, name in enumerate(stages.BESIDE)]
    events += [
        {"name": "first exit", "ts": first_exit},
        {"name": "first output", "ts": 100},
        {"name": "exit", "ts": 200},
    ]
    return json.dumps({"traceEvents": events + [{"name": "last"}]})


@case
def stages_follow_each_other_and_sum_up():
    took = list(stages.parse(trace_with(80), 150).values())
    assert took == [50, 10, 10, 10, 10, 10, 10, 10, 10, 20], took
    assert list(stages.parse(trace_with(80), 150)) == list(stages.NAMES)


@case
def no_stage_is_negative_where_a_vcpu_was_early():
    took = stages.parse(trace_with(55), 150)
    assert took["first exit"] == 0 and took["first output"] == 30 and sum(took.values()) == 150, took


@case
def stages_end_with_the_first_output():
    took = stages.parse(trace_with(80), 95)
    assert took["spawn"] == 0 and took["first output"] == 15 and sum(took.values()) == 95, took


@case
def what_main_does_beside_follows_exec():
    traced = types.SimpleNamespace(left_files=[trace_with(80)] * 2)
    assert stages.beside(traced) == {name: [5, 5] for name in stages.BESIDE}


@case
def stages_are_the_monitors_or_the_guests():
    assert stages.monitor_and_guest_us({name: [1, 2, 3] for name in stages.NAMES}) == (16, 4)


@case
def a_trace_has_all_stages():
    for trace in (
        "",
        "[]",
        "{}",
        '{"traceEvents":1}',
        '{"traceEvents":[]}',
        '{"traceEvents":[1,{"name":1,"ts":1},{"name":"exec"},{"name":"exec","ts":"x"}]}',
    ):
        assert refused(stages.parse, trace, 100).startswith("trace: ")


# --- /proc ------------------------------------------------------------------------------------------------------------

SMAPS = """\
00400000-00402000 r-xp 00000000 fe:00 393275                     /opt/a monitor: x
Size:                  8 kB
Rss:                   8 kB
Shared_Clean:          4 kB
Private_Clean:         4 kB
Private_Dirty:         0 kB
VmFlags: rd ex mr mw me sd 
7f0000000000-7f0000200000 rw-p 00000000 00:00 0 
Rss:                  16 kB
Private_Clean:         0 kB
Private_Dirty:        16 kB
7f0000200000-7f0000201000 rw-p 00000000 00:00 0                  [stack]
Rss:                   4 kB
Private_Clean:         1 kB
Private_Dirty:         3 kB
"""


def area(start, end, resident_kib=0):
    return smaps.Area(start, end, "", resident_kib=resident_kib)


@case
def smaps_are_read_area_by_area():
    text, anonymous, stack = smaps.parse(SMAPS)
    assert (text.start, text.end, text.name) == (0x400000, 0x402000, "/opt/a monitor: x"), text
    assert (text.private_kib, text.resident_kib) == (4, 8), text
    assert (anonymous.name, anonymous.private_kib) == ("", 16), anonymous
    assert (stack.name, stack.private_kib) == ("[stack]", 4), stack


@case
def what_is_no_smaps_is_refused():
    for text in (
        "Rss: 4 kB\n",
        "400000 rw-p\n",
        "hello\n",
        "400000-300000 rw-p 0 0:0 0\n",
        "400000-500000 rw-p 0 0:0 0\nRss: kB\n",
    ):
        assert refused(smaps.parse, text).startswith("smaps: "), text


@case
def guest_ram_is_the_areas_of_its_size():
    alone = [area(0x1000, 0x3000), area(0x10000, 0x18000), area(0x20000, 0x21000)]
    assert smaps.guest_ram(alone, 0x8000) == [alone[1]]
    joined = [area(0x1000, 0x2000), area(0x10000, 0x12000), area(0x12000, 0x17000), area(0x17000, 0x18000)]
    assert smaps.guest_ram(joined, 0x8000) == joined[1:]
    assert "no mapping" in refused(smaps.guest_ram, joined, 0x9000)
    assert "no mapping" in refused(smaps.guest_ram, [], 0x8000)
    several = [area(0x1000, 0x9000, 4), area(0x10000, 0x18000, 400), area(0x20000, 0x28000, 40)]
    assert smaps.guest_ram(several, 0x8000) == [several[1]]


@case
def the_kernels_own_words_about_this_process():
    size, kept = (61 << 20) + 37 * 4096, 5 * 4096  # like nothing else here
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long]
    libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    # Pages that nothing may touch at both ends, so that no neighbour is joined with it.
    whole = libc.mmap(None, size + 8192, 0, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, -1, 0)
    assert libc.mprotect(whole + 4096, size, mmap.PROT_READ | mmap.PROT_WRITE) == 0
    ctypes.memset(whole + 4096, 1, kept)
    ram = smaps.guest_ram(smaps.read(os.getpid()), size)
    libc.munmap(whole, size + 8192)
    assert [one.private_kib for one in ram] == [kept // 1024], ram


@case
def values_of_proc():
    assert machine.proc_value("processor\t: 0\nmodel name\t: AMD EPYC  7B13 \n", "model name") == "AMD EPYC  7B13"
    assert machine.proc_value("a:\nb: c", "a") == ""
    assert machine.proc_value("bb: c\nno colon", "b") == ""
    meminfo = "MemTotal:       24684000 kB\nMemAvailable:   22984000 kB\n"
    assert machine.proc_kib(meminfo, "MemAvailable") == 22984000
    assert machine.proc_kib(meminfo, "Mem") == 0
    zones = "Node 0, zone DMA\n  pages free 3840\n  cpu: 0\n  count:    12\n  high: 28\n  cpu: 1\n  count:  300\n"
    assert machine.pages_kept_by_cpus(zones) == 312
    assert machine.pages_kept_by_cpus("") == 0
    assert machine.proc_text("/proc/self/no such file") == ""
    facts = machine.facts()
    assert facts["kernel"] and facts["cpus"] >= 1 and facts["memory_kib"] > 1024, facts


# --- Versions, numbers, flags -----------------------------------------------------------------------------------------


@case
def a_version_is_the_first_word_with_a_digit():
    assert version_number("QEMU emulator version 7.2.22 (Debian 1:7.2)") == "7.2.22"
    assert version_number("Firecracker v1.7.0") == "v1.7.0"
    assert version_number("cloud-hypervisor v50.0.0-rc1-12345") == "v50.0.0-rc1-12345"
    assert version_number("kvm tool") == "-"
    assert version_number("") == "-"


@case
def versions_are_in_the_order_of_their_numbers():
    for older, newer in (("6.1.0-9-amd64", "6.1.0-56-amd64"), ("6.1", "6.1.1"), ("6.9", "6.10"), ("a", "b")):
        assert version_key(older) < version_key(newer), (older, newer)
    assert version_key("6.01") == version_key("6.1")


@case
def a_small_ratio_is_not_zero():
    assert ratio(0.000312) == "0.000312" and ratio(0.05) == "0.0500", (ratio(0.000312), ratio(0.05))
    assert ratio(1.234) == "1.23" and ratio(29.8) == "29.80" and ratio(12345) == "12,300"


@case
def flags_say_what_is_allowed():
    runs = flags.number(1, 1000)
    assert runs("1000") == 1000
    for text in ("0", "1001", "-1", "x", "", "1.5", "9" * 30):
        assert refused(runs, text) == f"{text}: a whole number from 1 to 1000 is wanted"
    assert flags.size_kib("512K") == 512 and flags.size_kib("4G") == 4 << 20
    for text in ("", "128", "lots", "0M", "-1M", "1.5G", "1T"):
        assert "128M" in refused(flags.size_kib, text)
    limit = flags.duration_ms(1, 600_000, "from 1ms to 10m")
    assert limit("500ms") == 500 and limit("10m") == 600_000
    for text in ("0s", "10", "11m", "s", ""):
        assert "from 1ms to 10m" in refused(limit, text)


@case
def a_command_is_a_name_and_words():
    assert flags.named_command("vmm=/usr/bin/env  -i x=1 ") == ("vmm", ["/usr/bin/env", "-i", "x=1"])
    for text in ("", "name", "=/bin/sh", "name=", "name=   "):
        assert "NAME=COMMAND" in refused(flags.named_command, text)
    assert "No such file" in refused(flags.named_command, "name=/no/such/program")
