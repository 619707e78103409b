"""What VMs of one host share: the pages of a kernel file, and cores."""
import contextlib
import ctypes
import json
import os
import pathlib
import struct
import subprocess
import tempfile

from jail import Base, the_static_program
from kit import Failed, Skipped, case, expect, expect_equal, is_sanitized, mayfly, monitor_pid, program, scratch_file
from pc_timer import BASE, NOTE

PAGE = 4096
KERNEL_PAGES, INITRD_PAGES = 64, 16
MEMORY = 20 << 20
INITRD_AT = MEMORY - INITRD_PAGES * PAGE
SERIAL = 0x3F8
PR_SCHED_CORE, PR_SET_MEMORY_MERGE = 62, 67


def touch(address, pages):
    """Reads a byte of each page."""
    code = b"\xbe" + struct.pack("<I", address) + b"\xb9" + struct.pack("<I", pages)  # mov esi, ...; mov ecx, ...
    return code + b"\x8a\x06\x81\xc6\x00\x10\x00\x00\x49\x75\xf5"  # l: mov al, [esi]; add esi, 4096; dec ecx; jnz l


def say(text):
    """mov edx, 0x3f8; then mov al, ...; out dx, al for each byte."""
    return b"\xba" + struct.pack("<I", SERIAL) + b"".join(bytes([0xB0, byte, 0xEE]) for byte in text)


def kernel_of_pages(folder):
    """An ELF file whose segment can be mapped: it reads all its pages and the initrd's, says so and spins."""
    code = touch(BASE, KERNEL_PAGES) + touch(INITRD_AT, INITRD_PAGES) + say(b"!\n") + b"\xeb\xfe"
    size = KERNEL_PAGES * PAGE
    header = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 2, 62, 1, BASE, 64, 0, 0, 64, 56, 2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, PAGE, BASE, BASE, size, size, PAGE)
    note = struct.pack("<IIQQQQQQ", 4, 4, 64 + 2 * 56, 0, 0, len(NOTE), len(NOTE), 4)
    text = code + os.urandom(size - len(code))
    return scratch_file(folder, "kernel", (header + load + note + NOTE).ljust(PAGE, b"\0") + text)


def ram_of(pid):
    """Where guest RAM begins: mappings that adjoin each other and are of its size together."""
    if is_sanitized():
        raise Skipped("a sanitizer has mappings of its own, of such a size too")
    areas = [line.split()[0].split("-") for line in pathlib.Path(f"/proc/{pid}/maps").read_text().splitlines()]
    areas = [(int(start, 16), int(end, 16)) for start, end in areas]
    for first, (start, end) in enumerate(areas):
        for after, after_end in areas[first + 1 :]:
            if end - start >= MEMORY or after != end:
                break
            end = after_end
        if end - start == MEMORY:
            return start
    raise Failed(f"no mapping is guest RAM: {areas}")


def frames(pid, address, pages):
    """The physical pages behind guest addresses."""
    with open(f"/proc/{pid}/pagemap", "rb") as file:
        file.seek((ram_of(pid) + address) // PAGE * 8)
        entries = struct.unpack(f"<{pages}Q", file.read(8 * pages))
    expect(all(entry >> 63 for entry in entries), "a page that the guest has read is not there")
    found = [entry & (1 << 55) - 1 for entry in entries]
    if not all(found):
        raise Skipped("only root sees which physical pages a process has")
    return set(found)


@contextlib.contextmanager
def two_vms(words, line=b"!\n"):
    """Two VMs of one command line (of the number of the VM), which have read their pages and said a line."""
    vms = []
    try:
        for number in range(2):
            vms.append(subprocess.Popen(words(number), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE))
        for vm in vms:
            expect_equal(vm.stdout.readline(), line, "the guest's line")
        yield [monitor_pid(vm.pid) for vm in vms]
    finally:
        for vm in vms:
            vm.kill()
            vm.wait()
            vm.stdout.close()


def expect_pages(words, shared):
    with two_vms(words) as (one, other):
        for what, address, pages in (("kernel", BASE, KERNEL_PAGES), ("initrd", INITRD_AT, INITRD_PAGES)):
            mine, theirs = frames(one, address, pages), frames(other, address, pages)
            expect_equal(len(mine & theirs), pages if shared else 0, f"pages of the {what} that both have")


def image_files(folder):
    os.chmod(folder, 0o755)
    files = kernel_of_pages(folder), scratch_file(folder, "initrd", os.urandom(INITRD_PAGES * PAGE))
    for file in files:
        os.chmod(file, 0o644)
    return files


def needs_to_be_outside_of_a_jail():
    if "NoNewPrivs:\t1" in pathlib.Path("/proc/self/status").read_text():
        raise Skipped("this machine starts everything under no_new_privs: each VM counts as jailed")


def run_words(kernel, initrd, *flags):
    return [program(), "run", "--memory", f"{MEMORY >> 20}M", "--kernel", kernel, "--initrd", initrd, *flags]


@case()
def kernel_and_initrd_are_shared_outside_of_a_jail_only():
    needs_to_be_outside_of_a_jail()
    with tempfile.TemporaryDirectory() as folder:
        files = image_files(folder)
        expect_pages(lambda _: run_words(*files), shared=True)
        expect_pages(lambda _: run_words(*files, "--jail"), shared=False)


@case()
def who_wants_the_other_way_says_so():
    with tempfile.TemporaryDirectory() as folder:
        files = image_files(folder)
        expect_pages(lambda _: run_words(*files, "--kernel-pages", "own"), shared=False)
        expect_pages(lambda _: run_words(*files, "--jail", "--kernel-pages", "shared"), shared=True)


@case()
def a_jailed_vm_of_a_configuration_file_has_its_own_pages():
    needs_to_be_outside_of_a_jail()
    with tempfile.TemporaryDirectory() as folder:
        kernel, initrd = image_files(folder)
        configuration = {
            "boot-source": {"kernel_image_path": kernel, "initrd_path": initrd, "boot_args": ""},
            "machine-config": {"vcpu_count": 1, "mem_size_mib": MEMORY >> 20},
        }
        file = scratch_file(folder, "vm.json", json.dumps(configuration).encode())
        words = [program(), "--no-api", "--config-file", file]
        expect_pages(lambda _: words, shared=True)
        expect_pages(lambda _: [*words, "--jail"], shared=False)
        expect_pages(lambda _: [*words, "--jail", "--kernel-pages=shared"], shared=True)


@case()
def a_vm_of_mayfly_jailer_has_its_own_pages():
    file = the_static_program()
    with Base() as base, tempfile.TemporaryDirectory() as folder:
        kernel, initrd = image_files(folder)
        binds = ["--bind", f"{kernel}:/kernel:ro", "--bind", f"{initrd}:/initrd:ro", "--cleanup"]

        def words(kind):
            more = ["--kernel-pages", "shared"] if kind == "s" else []
            return lambda n: base.flags(f"{kind}{n}", file, *binds, "--", *run_words("/kernel", "/initrd", *more)[1:])

        expect_pages(words("o"), shared=False)
        expect_pages(words("s"), shared=True)


@case()
def the_guest_in_the_binary_is_nobody_elses():
    """It is copied in any case; the pages of the binary, which all its processes share, are in no guest."""
    words = [program(), "run", "--memory", f"{MEMORY >> 20}M", "--", "loop"]
    with two_vms(lambda _: words, b"Hello from a Mayfly guest\n") as (one, other):
        mine, theirs = frames(one, BASE, 1), frames(other, BASE, 1)
        expect(not mine & theirs, f"they share pages: {mine & theirs}")


@case()
def pages_of_its_own_are_not_merged():
    """KSM, for all of a process, as who starts it may have asked for."""
    if is_sanitized():
        raise Skipped("to read all mappings of a sanitizer takes minutes")
    libc = ctypes.CDLL(None, use_errno=True)

    def merging():
        libc.prctl(PR_SET_MEMORY_MERGE, 1, 0, 0, 0)

    def is_merging(*flags):
        with subprocess.Popen(
            [program(), "run", *flags, "--", "loop"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            preexec_fn=merging,
        ) as vm:
            try:
                expect(vm.stdout.readline() != b"", f"no guest with {flags}")
                stat = pathlib.Path(f"/proc/{vm.pid}/ksm_stat").read_text()
            except FileNotFoundError:
                raise Skipped("this kernel does not tell of KSM") from None
            finally:
                vm.kill()
        return "ksm_merge_any: yes" in stat

    needs_to_be_outside_of_a_jail()
    if not is_merging():
        raise Skipped("this kernel lets nobody ask for KSM on behalf of a program")
    expect(not is_merging("--kernel-pages", "own"), "KSM may merge the pages of a VM that wants its own")


def status_of_vcpus(pid):
    """What /proc says of the threads that run the guest: the first of the process, and others by their names. (A
    sanitizer has a thread of its own, which is called like the first.)"""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        if int(task.name) == pid or (task / "comm").read_text().startswith("vcpu"):
            yield (task / "status").read_text()


@contextlib.contextmanager
def running(*flags):
    """The process of a VM whose guest has printed; None: it was refused, with the one line that is then on stderr."""
    words = [program(), "run", *flags, "--", "loop"]
    with subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as vm:
        try:
            is_up = vm.stdout.readline() != b""
            yield (vm.pid, "") if is_up else (None, vm.stderr.read().decode())
        finally:
            vm.kill()


@case()
def ssbd_by_name_is_had_or_refused():
    with running("--ssbd", "on") as (pid, line):
        if pid is None:
            expect(line.startswith("mayfly: --ssbd: ") and line.endswith("; or say off\n"), f"line: {line!r}")
            return
        states = list(status_of_vcpus(pid))
        safe = ("thread mitigated", "thread force mitigated", "not vulnerable", "globally mitigated")
        expect(
            all(any(f"Speculation_Store_Bypass:\t{state}" in status for state in safe) for status in states),
            f"threads: {states}",
        )


def core_cookie(pid):
    cookie = ctypes.c_uint64()
    result = ctypes.CDLL(None, use_errno=True).prctl(PR_SCHED_CORE, 0, pid, 0, ctypes.byref(cookie))
    return cookie.value if result == 0 else None


@case()
def core_scheduling_by_name_is_had_or_refused():
    with running("--core-scheduling", "on") as (pid, line):
        if pid is None:
            expect(
                line.startswith("mayfly: --core-scheduling: ") and line.endswith("; or say off\n"), f"line: {line!r}"
            )
            return
        cookies = {core_cookie(int(task)) for task in os.listdir(f"/proc/{pid}/task")}
        expect(len(cookies) == 1, f"threads of one VM have several cookies: {cookies}")
        if cookies == {None}:  # without SMT there is nothing to keep apart
            return
        expect(0 not in cookies, "no cookie")


@case()
def a_jail_on_a_host_without_them_says_nothing():
    for flags in ([], ["--core-scheduling", "off"], ["--ssbd", "off", "--kernel-pages", "own"]):
        result = mayfly("run", "--jail", *flags, "--", "exit=3")
        expect_equal((result.returncode, result.stderr), (3, b""), f"status and stderr with {flags}")
