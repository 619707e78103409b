"""What a guest is given of the processor: what CPUID tells a small guest that a PVH note starts."""
import struct
import tempfile
import time

from kit import Skipped, case, expect, expect_equal, mayfly
from pc_timer import pvh_kernel
from vm import Vm

SERIAL = 0x3F8
LEAF_1, FEATURES, MONITORING, XSAVE, EXTENDED, SVM, AMD_MONITORING = 1, 7, 0xA, 0xD, 0x80000001, 0x8000000A, 0x80000022
LEAVES = (0, LEAF_1, FEATURES, MONITORING, XSAVE, EXTENDED, SVM, AMD_MONITORING)
AVX2, AVX512 = 1 << 5, 1 << 16  # leaf 7, EBX


def cpuid_of(folder, *flags):
    """What CPUID tells a guest of the leaves, {leaf: (eax, ebx, ecx, edx)}, or the monitor's own line."""
    code = b""
    at = 0x200000
    for leaf in LEAVES:
        code += b"\xb8" + struct.pack("<I", leaf) + b"\x31\xc9\x0f\xa2"  # mov eax, leaf; xor ecx, ecx; cpuid
        for opcode in (b"\xa3", b"\x89\x1d", b"\x89\x0d", b"\x89\x15"):  # mov [at], eax; ebx; ecx; edx
            code += opcode + struct.pack("<I", at)
            at += 4
    # mov esi, 0x200000; mov ecx, ...; mov edx, 0x3f8; cld; rep outsb; mov al, 0
    code += b"\xbe\x00\x00\x20\x00\xb9" + struct.pack("<I", at - 0x200000)
    code += b"\xba" + struct.pack("<I", SERIAL) + b"\xfc\xf3\x6e\xb0\x00"
    result = mayfly("run", "--memory", "16M", *flags, "--kernel", pvh_kernel(folder, code))
    if result.returncode == 125:
        return result.stderr.decode()
    expect_equal((result.returncode, result.stderr, len(result.stdout)), (0, b"", at - 0x200000), "the guest's end")
    numbers = struct.unpack(f"<{len(LEAVES) * 4}I", result.stdout)
    return {leaf: numbers[4 * i : 4 * i + 4] for i, leaf in enumerate(LEAVES)}


def has_nested(cpuid):
    return bool(cpuid[LEAF_1][2] >> 5 & 1 or cpuid[EXTENDED][2] >> 2 & 1 or any(cpuid[SVM]))


def has_pmu(cpuid):
    ecx = cpuid[EXTENDED][2]
    counters = (ecx >> 10 | ecx >> 23 | ecx >> 24 | ecx >> 28) & 1
    return bool(cpuid[LEAF_1][2] >> 15 & 1 or counters or any(cpuid[MONITORING]) or any(cpuid[AMD_MONITORING]))


@case()
def what_a_guest_may_have_only_where_it_is_asked_for():
    with tempfile.TemporaryDirectory() as folder:
        plain = cpuid_of(folder)
        expect(not has_nested(plain), f"a guest that may run guests: {plain}")
        expect(not has_pmu(plain), f"a guest with performance counters: {plain}")
        for flag, has, word in (("--nested", has_nested, "nested virtualization: "), ("--pmu", has_pmu, "PMU: ")):
            asked = cpuid_of(folder, flag)
            if isinstance(asked, str):
                expect(asked.startswith(f"mayfly: {word}this host's KVM offers none"), f"line: {asked}")
                expect_equal(len(asked.splitlines()), 1, "lines")
            else:
                expect(has(asked), f"{flag} is not to be seen: {asked}")


@case()
def a_t2_processor_is_the_same_on_every_host():
    with tempfile.TemporaryDirectory() as folder:
        plain = cpuid_of(folder)
        cut = cpuid_of(folder, "--cpu-template", "T2")
        if isinstance(cut, str):
            expect_equal(len(cut.splitlines()), 1, "lines")
            whys = ("is for hosts with Intel processors", "is less in this host's KVM than in a T2 processor")
            expect("CPU template T2: " in cut and any(why in cut for why in whys), f"line: {cut}")
            raise Skipped(cut.strip())
        expect_equal(cut[LEAF_1][0], 0x306F2, "family, model and stepping")
        expect_equal(cut[FEATURES][1] & (AVX2 | AVX512), AVX2, "AVX2 and AVX-512")
        expect_equal((cut[FEATURES][1] >> 21, cut[FEATURES][2]), (0, 0), "later features")
        expect_equal(cut[XSAVE], (7, cut[XSAVE][1], 832, 0), "states to save, and their size")
        expect(any(plain[FEATURES][2:]) and plain[FEATURES] != cut[FEATURES], "this host would show no difference")


@case()
def a_vm_that_was_made_ahead_without_them_gets_them():
    with Vm() as vm:
        vm.configure()
        time.sleep(0.1)  # for KVM's part, which main makes meanwhile
        vm.do("PATCH", "/machine-config", {"nested": True, "pmu": True})
        told = vm.get("/machine-config")
        expect_equal((told["nested"], told["pmu"]), (True, True), "what the configuration says")
        vm.action("InstanceStart")
        vm.ping()


@case()
def a_client_gets_the_template_it_asks_for():
    with Vm() as vm:
        vm.configure()
        vm.do("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 64, "cpu_template": "T2"})
        expect_equal(vm.get("/machine-config")["cpu_template"], "T2", "what the configuration says")
        for extra in ("nested", "pmu"):
            vm.refuse("PATCH", "/machine-config", {extra: True}, "cpu_template: has neither nested virtualization")
        vm.do("PATCH", "/machine-config", {"cpu_template": "None"})
        expect("cpu_template" not in vm.get("/machine-config"), "a template that was taken back")
