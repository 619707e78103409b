"""Guest RAM in huge pages of 2 MiB: out of the host's pool, all of it there before the guest runs, and given back."""
import contextlib
import pathlib
import re
import tempfile

from bad_input import kernel_of
from kit import Skipped, case, expect, expect_equal, expect_refused, mayfly
from pc_timer import pvh_kernel
from vm import Vm

ALONE = "it sets how many huge pages the whole machine has"
POOL = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")
PAGES = 16
RAM = {"vcpu_count": 1, "mem_size_mib": 2 * PAGES, "huge_pages": "2M"}


def count(name):
    return int((POOL / name).read_text())


@contextlib.contextmanager
def pool(pages):
    """So many free huge pages, none of which is taken in the end."""
    try:
        before = count("nr_hugepages")
        wanted = before - (count("free_hugepages") - count("resv_hugepages")) + pages
        (POOL / "nr_hugepages").write_text(str(wanted))
    except OSError as error:
        raise Skipped(f"no pool of huge pages that could be set: {error}") from error
    try:
        if count("nr_hugepages") != wanted:
            raise Skipped(f"the host has no {pages} huge pages to give")
        free = count("free_hugepages")
        yield
        expect_equal(
            (count("free_hugepages"), count("resv_hugepages")), (free, 0), "free and reserved pages in the end"
        )
    finally:
        (POOL / "nr_hugepages").write_text(str(before))


def huge_kib(pid):
    """What a process has of RAM in huge pages, set aside."""
    areas = pathlib.Path(f"/proc/{pid}/smaps").read_text().split("VmFlags:")
    return sum(int(re.search(r"Size: *(\d+)", area)[1]) for area in areas if "KernelPageSize:     2048 kB" in area)


@case()
def ram_is_of_huge_pages():
    with pool(PAGES), Vm() as vm:
        vm.do("PUT", "/machine-config", RAM)
        expect_equal(vm.get("/machine-config")["huge_pages"], "2M", "what the configuration says")
        vm.start()
        vm.ping()
        expect_equal(huge_kib(vm.process.pid), 2048 * PAGES, "KiB of RAM in huge pages")
        expect(count("free_hugepages") < PAGES, "none of them is used")
        vm.process.kill()
        vm.process.wait()


@case()
def a_vm_that_was_made_ahead_without_them_gets_them():
    with pool(PAGES), Vm() as vm:
        vm.do("PUT", "/machine-config", {**RAM, "huge_pages": "None"})
        vm.do("PATCH", "/machine-config", {"huge_pages": "2M"})
        vm.start()
        vm.ping()
        expect_equal(huge_kib(vm.process.pid), 2048 * PAGES, "KiB of RAM in huge pages")
        vm.process.kill()
        vm.process.wait()


@case()
def every_door_has_them():
    with pool(PAGES), tempfile.TemporaryDirectory() as folder:
        kernel = pvh_kernel(folder, b"\xb0\x2a")
        for more in ((), ("--jail",), ("--kernel-pages", "shared")):
            words = ("run", "--huge-pages", "--memory", f"{2 * PAGES}M", *more)
            for guest in (("--kernel", kernel), ("--kernel", kernel_of(folder), "--cmdline", "silent exit=42")):
                result = mayfly(*words, *guest)
                expect_equal((result.returncode, result.stderr), (42, b""), f"{words}: status and stderr")


@case()
def too_few_are_told_before_the_guest_runs():
    line = "the host has too few free ones of 2 MiB; see sysctl vm.nr_hugepages"
    with pool(PAGES - 1):
        result = mayfly("run", "--huge-pages", "--memory", f"{2 * PAGES}M")
        expect_refused(result, "guest memory in huge pages: ", line)
        with Vm() as vm:
            vm.do("PUT", "/machine-config", RAM)
            vm.configure()
            vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, line)
            vm.do("PATCH", "/machine-config", {"huge_pages": "None"})
            vm.action("InstanceStart")
            vm.ping()
            expect_equal(huge_kib(vm.process.pid), 0, "KiB of RAM in huge pages")


@case(needs_kvm=False)
def ram_that_is_no_huge_pages_is_refused():
    result = mayfly("run", "--huge-pages", "--memory", "3M")
    expect_refused(result, "--memory: is not a multiple of 2M, as huge pages need")
    with Vm() as vm:
        vm.refuse("PUT", "/machine-config", {**RAM, "mem_size_mib": 3}, "mem_size_mib: is not a multiple of 2M")
