"""The serial console as a pipe and as a terminal."""

import hashlib
import signal

from checks import BOOT_SECONDS, check, report_of
from kit import Failed, case


def pastes(t, size, seconds):
    """So many bytes typed at once arrive in the guest, none lost, doubled or changed."""
    with open(t.file("payload"), "rb") as file:
        data = file.read()[:size]
    guest = t.start("cloud.vmlinux", f"quiet mayfly.do=paste:{len(data)}", stdin="pipe")
    guest.expect(rb"MAYFLY-PASTE-NOW\r*\n", BOOT_SECONDS)
    guest.send(data)
    got = guest.expect(rb"mayfly\.paste_sha256=([0-9a-f]{64})", seconds, "the checksum of what arrived").group(1)
    check("the checksum of the pasted bytes", got.decode(), hashlib.sha256(data).hexdigest())
    guest.expect_status(0)


def prints(t, size, seconds):
    """So many bytes that the guest prints arrive on stdout unchanged."""
    with open(t.file("payload"), "rb") as file:
        data = file.read()[:size]
    guest = t.start("cloud.vmlinux", f"quiet mayfly.do=output:{size}", initrd="initramfs-payload.cpio")
    guest.expect(rb"MAYFLY-OUTPUT<", BOOT_SECONDS)
    got = guest.until(b">MAYFLY-OUTPUT", seconds)
    check("the length of the output", len(got), len(data))
    check("the checksum of the output", hashlib.sha256(got).hexdigest(), hashlib.sha256(data).hexdigest())
    guest.expect_status(0)


# Each byte is an exit to user space or two, and an exit costs 0.1 ms and more under TCG: a mebibyte takes
# minutes, so it is for --long. 128 KiB is twice what Linux buffers before it drops input.
@case(limit_s=1200, when="long")
def paste_1_mib(t):
    pastes(t, 1 << 20, 1000)


@case(limit_s=1200, when="long")
def output_1_mib(t):
    prints(t, 1 << 20, 1000)


@case(limit_s=400)
def paste_128_kib(t):
    pastes(t, 128 << 10, 250)


@case(limit_s=400)
def output_128_kib(t):
    prints(t, 128 << 10, 250)


def terminal_is_as_before(guest):
    if not guest.terminal.is_restored():
        raise Failed("the terminal's settings are not what they were before the monitor started")


@case()
def terminal(t):
    """On a terminal: raw while the guest runs, Ctrl-C goes to the guest, Ctrl-A x leaves and restores."""
    guest = t.start("cloud.vmlinux", "quiet", stdin="pty")
    report_of(guest)
    if not guest.terminal.is_raw():
        raise Failed("the terminal is not raw while the guest runs")
    guest.ask("echo answer-$((6 * 7))", rb"answer-42")
    guest.ask("echo waiting-$((1 + 1)); cat", rb"waiting-2")
    # Typed once and said once by cat: now it runs, and Ctrl-C is for it and not for the shell.
    guest.ask("running", rb"running\r*\n.*running\r*\n")
    guest.send(b"\x03")
    guest.expect(rb"guest# ", 30)  # the shell throws away what was typed before its prompt
    guest.ask("echo answer-$((7 * 7))", rb"answer-49")
    guest.send(b"\x01x")
    status = guest.finish(10)
    if status < 0:
        raise Failed(f"Ctrl-A x ended the monitor by signal {-status}")
    terminal_is_as_before(guest)


@case()
def terminal_after_sigterm(t):
    guest = t.start("cloud.vmlinux", "quiet", stdin="pty")
    report_of(guest)
    guest.signal(signal.SIGTERM)
    guest.finish(10)
    terminal_is_as_before(guest)
