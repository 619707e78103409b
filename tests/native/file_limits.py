"""Files that reach a limit: RLIMIT_FSIZE, a full disk. What is written there is lost and said, and the VM runs on."""
import os
import resource
import subprocess

from kit import TIME_LIMIT_S, case, expect, expect_equal, mayfly, program, scratch, scratch_file

LIMIT = 4096


def limited():
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, LIMIT))


@case()
def a_disk_that_may_not_grow_is_an_error_to_the_guest():
    """And no end of the VM: the driver sees failed requests."""
    with scratch() as folder:
        disk = scratch_file(folder, "disk", b"")
        os.truncate(disk, 1 << 20)
        result = mayfly(
            "run", "--disk", disk, "--", "silent", "disk-write=16", "exit=5", preexec_fn=limited, limit_s=TIME_LIMIT_S
        )
        expect(result.returncode >= 0, f"it was ended by signal {-result.returncode}: {result.stderr!r}")
        expect_equal(os.path.getsize(disk), 1 << 20, "size of the disk")


@case()
def a_log_and_a_trace_that_may_not_grow_end_nothing():
    with scratch() as folder:
        for flags in (["--trace", str(folder / "trace")],):
            with open(folder / "log", "wb") as log:
                log.write(b"x" * LIMIT)
                log.flush()
                result = subprocess.run(
                    [program(), "run", *flags, "--", "silent", "crash"],
                    preexec_fn=limited,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=log,
                    check=False,
                    timeout=TIME_LIMIT_S,
                )
            expect(result.returncode in (125, 126), f"status {result.returncode}")
            expect_equal(os.path.getsize(folder / "log"), LIMIT, "size of the log")
