"""Kernels, entries, memory and processors: what boots, and what it then sees of its machine."""

import hashlib
import os
import time

from checks import PVH_LOADER, check, check_machine, report_of
from guest import BASE_CMDLINE
from kit import Failed, case


def boots(t, kernel, *, vcpus=1, memory_mib=128, pvh=None, cmdline=""):
    """Boots to a shell, checks what the guest sees, talks to it, and has it power off: status 0."""
    guest = t.start(kernel, cmdline, vcpus=vcpus, memory_mib=memory_mib, stdin="pipe")
    report = report_of(guest)
    check_machine(report, vcpus, memory_mib)
    if pvh is not None:
        loader = (report.get("bootloader_type"), report.get("boot_protocol"))
        check(f"PVH entry (loader type and protocol {loader})", loader == PVH_LOADER, pvh)
    guest.ask("echo answer-$((6 * 7))", rb"answer-42")
    guest.ask("cat /proc/uptime | tr ' ' '\\n' | wc -l", rb"\n2\r*\n")
    if not t.is_reference:
        names = guest.thread_names()
        # The first thread, which has the program's name, is the boot vCPU's.
        for name in ["mayfly", "main", *(f"vcpu{number}" for number in range(1, vcpus))]:
            if name not in names:
                raise Failed(f"no thread is called {name}: {' '.join(names)}")
    guest.send(b"poweroff -f\n")
    guest.expect_status(0)
    return report


@case(limit_s=400)
def generic_bzimage(t):
    boots(t, "generic.bzimage", pvh=False, cmdline="quiet")


@case(limit_s=400)
def generic_vmlinux_4_vcpus(t):
    boots(t, "generic.vmlinux", vcpus=4, pvh=True, cmdline="quiet")


@case(limit_s=400)
def generic_mptable_4_vcpus(t):
    """Without ACPI the MP table tells of the processors. (The cloud kernel cannot read one.)"""
    guest = t.start("generic.vmlinux", "quiet acpi=off mayfly.do=reboot", vcpus=4)
    report = report_of(guest)
    check("ACPI in the guest", report.get("acpi"), "no")
    check_machine(report, 4, 128)
    check_time(report)
    guest.expect_status(0)


def check_time(report):
    apart_s = time.time() - int(report.get("time", "0"))
    if abs(apart_s) > 120:
        raise Failed(f"the guest's clock is {apart_s:.0f} s behind")


@case()
def without_acpi_by_the_chipset(t):
    """The clock that it finds tells the time; it says so if it does not. reboot=p resets by port 0xcf9."""
    t.needs_mayfly("port 0xcf9")
    guest = t.start("cloud.vmlinux", "acpi=off mayfly.do=reboot", base="console=ttyS0 reboot=p panic=-1", stdin="pipe")
    report = report_of(guest)
    check("ACPI in the guest", report.get("acpi"), "no")
    check_time(report)
    guest.expect_status(0)
    check("what the monitor says", guest.monitor_words(), "")
    if b"Unable to read current time from RTC" in guest.buffer:
        raise Failed("Linux has waited for the clock")


@case(limit_s=400)
def memory_4_gib(t):
    """Most of this guest's memory lies above the 32-bit gap; a process of its own writes to 64 MiB."""
    guest = t.start("cloud.vmlinux", "quiet", memory_mib=4096, stdin="pipe")
    check_machine(report_of(guest), 1, 4096)
    guest.ask(
        "mount -t tmpfs tmpfs /tmp; head -c 67108864 /dev/zero > /tmp/64m; wc -c < /tmp/64m", rb"\n67108864\r*\n", 60
    )
    guest.send(b"poweroff -f\n")
    guest.expect_status(0)


@case(limit_s=400)
def memtest(t):
    """A bzImage that is no Linux: memtest86+ starts, draws on serial, and leaves on Escape by a reset."""
    guest = t.start("memtest.bzimage", "console=ttyS0,115200", initrd=None, stdin="pipe")
    guest.expect(rb"Memtest86\+", 45)
    guest.expect(rb"Memory", 30)


@case(when="quick")
def embedded_guest(t):
    """user64 on hardware virtualization, which this machine's own KVM may not have: entered, told the TSC's
    frequency, and heard when it reports its status."""
    t.needs_mayfly("embedded guest")
    guest = t.start_command([t.monitor, "run", "--", "exit=7"])
    guest.expect(rb"TSC [1-9][0-9]* kHz", 30)
    guest.expect_status(7)


@case(when="quick", limit_s=400)
def svm_only_where_it_is_asked_for(t):
    """This machine's KVM could let its guests run guests of their own."""
    t.needs_mayfly("--nested")
    for more, wanted in (([], b"0"), (["--nested"], b"1")):
        guest = t.start("cloud.vmlinux", "quiet", stdin="pipe", more=more)
        report_of(guest)
        guest.ask("echo processors with svm: $(grep -cw svm /proc/cpuinfo)", rb"processors with svm: " + wanted)
        guest.send(b"poweroff -f\n")
        guest.expect_status(0)


@case(when="quick")
def cloud_bzimage(t):
    boots(t, "cloud.bzimage", pvh=False, cmdline="quiet")


@case(when="quick")
def cloud_vmlinux_pvh(t):
    boots(t, "cloud.vmlinux", pvh=True, cmdline="quiet")


@case()
def cloud_vmlinux_elf64(t):
    """The same kernel with its PVH note blotted out: entered at the ELF header's 64-bit entry."""
    t.needs_mayfly("64-bit ELF entry")
    boots(t, "cloud-elf64.vmlinux", pvh=False)


@case(limit_s=400)
def cloud_bzimage_4_vcpus(t):
    boots(t, "cloud.bzimage", vcpus=4, pvh=False, cmdline="quiet")


@case(limit_s=400)
def cloud_elf64_4_vcpus(t):
    t.needs_mayfly("64-bit ELF entry")
    boots(t, "cloud-elf64.vmlinux", vcpus=4, pvh=False, cmdline="quiet")


def boots_kernel_of(t, suite):
    """As bzImage and as vmlinux. The emulated processor confuses CPUID and XSAVE, which 7.x does not take, and flags at a
    cmpxchg16b that is left for a VM exit."""
    for form in ("bzimage", "vmlinux"):
        boots(
            t,
            t.kernel_of_suite(suite, form),
            memory_mib=256,
            pvh=form == "vmlinux",
            cmdline="quiet noxsave clearcpuid=cx16",
        )


@case(when="long", limit_s=400)
def kernel_of_oldstable_backports(t):
    boots_kernel_of(t, "oldstable-backports")


@case(when="long", limit_s=400)
def kernel_of_stable(t):
    boots_kernel_of(t, "stable")


@case(when="long", limit_s=400)
def kernel_of_stable_backports(t):
    boots_kernel_of(t, "stable-backports")


@case(when="long", limit_s=400)
def kernel_of_unstable(t):
    boots_kernel_of(t, "unstable")


@case()
def initrd(t):
    """A file of odd size inside the initrd comes out with its checksum."""
    with open(t.file("payload"), "rb") as file:
        wanted = hashlib.sha256(file.read()).hexdigest()
    guest = t.start("cloud.bzimage", "quiet mayfly.do=poweroff", initrd="initramfs-payload.cpio")
    check("the checksum of the file in the initrd", report_of(guest).get("payload_sha256"), wanted)
    guest.expect_status(0)


def command_line_of(length):
    """Its end tells whether it was cut."""
    line = f"{BASE_CMDLINE} quiet mayfly.do=poweroff mayfly.filler= mayfly.end"
    return line.replace("filler=", "filler=" + "x" * (length - len(line)))


@case()
def command_line_2_kib(t):
    """Linux's limit: COMMAND_LINE_SIZE is 2048 with the terminating zero."""
    for kernel in ("cloud.vmlinux", "cloud.bzimage"):
        cmdline = command_line_of(2047)
        guest = t.start(kernel, cmdline, base="")
        wanted = hashlib.sha256(cmdline.encode()).hexdigest()
        check(f"the checksum of {kernel}'s command line", report_of(guest).get("cmdline_sha256"), wanted)
        guest.expect_status(0)


@case(limit_s=400)
def words_that_take_interrupts_away(t):
    """firectl's default line has noapic. Without such words' effect the console, which interrupts, is heard."""
    t.needs_mayfly("an answer to noapic")
    line = "ro console=ttyS0 noapic reboot=k panic=1 pci=off nomodules quiet"
    for kernel, cmdline, words in (
        ("cloud.vmlinux", line, "noapic"),
        ("cloud.bzimage", "console=ttyS0 nolapic acpi=noirq pci=noacpi", "nolapic acpi=noirq pci=noacpi"),
    ):
        guest = t.start(kernel, cmdline, base="", vcpus=2, stdin="pipe")
        check("nproc in the guest", report_of(guest).get("nproc"), "2")
        guest.ask("echo answer-$((6 * 7))", rb"answer-42")
        guest.send(b"poweroff -f\n")
        guest.expect_status(0)
        check(
            "what the monitor says",
            guest.monitor_words(),
            f"mayfly: kernel command line: {words}: left out; this VM has no other interrupt controller",
        )


@case()
def quotes_and_words_for_init(t):
    """Words for init arrive as they were given, and a quoted ` -- ` begins none."""
    t.needs_mayfly("words for init")
    words = ["two words", "a=b c", "", "plain"]
    guest = t.start("cloud.vmlinux", 'quiet mayfly.quoted="x -- y" mayfly.do=poweroff', more=["--", *words])
    check("init's arguments", report_of(guest).get("arguments"), "|".join(words))
    guest.expect_status(0)


@case()
def boot_timer(t):
    """--boot-timer: the guest writes 123 to 0xc0000000 and the monitor tells the time, once."""
    t.needs_mayfly("boot timer")
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=booted", more=["--boot-timer"])
    report_of(guest)
    guest.expect_status(0)
    if not any(character.isdigit() for character in guest.monitor_words()):
        raise Failed(f"no time on stderr: {guest.monitor_words() or 'empty'}")


@case()
def trace(t):
    """--trace leaves a file that tells something of a boot to power-off."""
    t.needs_mayfly("--trace")
    path = os.path.join(t.out, "trace.txt")
    guest = t.start("cloud.vmlinux", "quiet mayfly.do=poweroff", more=["--trace", path])
    report_of(guest)
    guest.expect_status(0)
    if not os.path.exists(path) or os.path.getsize(path) == 0:
        raise Failed("the trace file is empty or missing")
