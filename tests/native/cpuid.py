"""What a guest is given of the processor: what CPUID tells a small guest that a PVH note starts."""
import struct
import tempfile
import time

from kit import case, expect, expect_equal, mayfly
from pc_timer import pvh_kernel
from vm import Vm

SERIAL = 0x3F8
LEAF_1, MONITORING, EXTENDED, SVM, AMD_MONITORING = 1, 0xA, 0x80000001, 0x8000000A, 0x80000022
LEAVES = (LEAF_1, MONITORING, EXTENDED, SVM, AMD_MONITORING)


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
def a_vm_that_was_made_ahead_without_them_gets_them():
    with Vm() as vm:
        vm.configure()
        time.sleep(0.1)  # for KVM's part, which main makes meanwhile
        vm.do("PATCH", "/machine-config", {"nested": True, "pmu": True})
        told = vm.get("/machine-config")
        expect_equal((told["nested"], told["pmu"]), (True, True), "what the configuration says")
        vm.action("InstanceStart")
        vm.ping()
