"""Kernels of every form that is booted, by small ones that a PVH note starts."""
import tempfile

from kit import case, expect_equal, mayfly
from pc_timer import pvh_kernel

STATUS_42 = b"\xb0\x2a"  # mov al, 42


@case()
def of_either_class_and_whatever_its_segments_may():
    for bits in (64, 32):
        for flags in (5, 6, 0):
            with tempfile.TemporaryDirectory() as folder:
                kernel = pvh_kernel(folder, STATUS_42, bits=bits, flags=flags)
                result = mayfly("run", "--memory", "16M", "--kernel", kernel)
                expect_equal((result.returncode, result.stderr), (42, b""), f"{bits} bits, p_flags {flags}")
