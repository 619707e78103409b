"""One guest under a monitor: starts it, reads its serial console, types at it, waits for its end.

The monitor's stdin and stdout are the guest's serial console; its stderr is its own. A thread reads the
console into a buffer and into a log; expect() waits for text in the buffer. Every wait is bounded, and
a guest that is still there when its case ends is killed.
"""

import os
import re
import select
import signal
import subprocess
import threading
import time

from kit import Failed
from kit.terminal import Terminal


# reboot=k: Linux would otherwise try EFI first on a machine whose ACPI is hardware-reduced.
BASE_CMDLINE = "console=ttyS0 reboot=k panic=-1"


def monitor_command(monitor, settings):
    """The command line that boots a guest. QEMU's microvm is the reference: where it passes a case that
    the monitor fails, the harness is right; it has no exit port of ours and no crash status."""
    kernel, cmdline = settings["kernel"], settings["cmdline"]
    memory, vcpus = settings["memory_mib"], settings["vcpus"]
    if is_reference(monitor):
        command = [monitor, "-M", "microvm,rtc=off,pit=off,pic=off", "-accel", "kvm", "-cpu", "host"]
        command += ["-nodefaults", "-no-reboot", "-display", "none", "-m", str(memory), "-smp", str(vcpus)]
        command += ["-serial", "mon:stdio" if settings["stdin"] == "pty" else "stdio"]
        command += ["-kernel", kernel, "-append", cmdline]
        return command + (["-initrd", settings["initrd"]] if settings["initrd"] else [])
    command = [monitor, "run", "--kernel", kernel, "--cmdline", cmdline]
    command += ["--memory", f"{memory}M", "--vcpus", str(vcpus)]
    command += ["--initrd", settings["initrd"]] if settings["initrd"] else []
    return command + settings["more"]


def is_reference(monitor):
    return os.path.basename(monitor).startswith("qemu-system")


class Guest:
    """Owned by the case that started it; the reader thread only appends to the buffer."""

    def __init__(self, command, log_path, stdin="null", keep_open=()):
        """stdin is "null", "pipe" or "pty" (then stdout is the same terminal). keep_open: descriptors to inherit."""
        self.log_path = log_path
        self.stderr_path = log_path.removesuffix(".log") + ".stderr"
        self.position = 0
        self.buffer = bytearray()
        self.ended = False
        self.changed = threading.Condition()
        self.terminal = self.stdin = None
        if stdin == "pty":
            self.terminal = Terminal()
            ends = {"stdin": self.terminal.slave, "stdout": self.terminal.slave}
        else:
            ends = {"stdin": subprocess.PIPE if stdin == "pipe" else subprocess.DEVNULL, "stdout": subprocess.PIPE}
        with open(self.stderr_path, "wb") as stderr:
            self.process = subprocess.Popen(
                command, stderr=stderr, start_new_session=True, bufsize=0, pass_fds=keep_open, **ends
            )
        if self.terminal:
            source = self.stdin = self.terminal.master
        else:
            source = self.process.stdout.fileno()
            self.stdin = self.process.stdin.fileno() if stdin == "pipe" else None
        self.reader = threading.Thread(target=self._read, args=(source,), daemon=True)
        self.reader.start()

    def _read(self, source):
        """A monitor writes byte by byte, and both waking up and writing to the 9p share are slow in the
        VM: so reads are gathered for a moment, and log writes for a second."""
        logged, log_again = 0, 0.0
        with open(self.log_path, "wb", buffering=0) as log:
            while not self.ended:
                if select.select([source], [], [], 1.0)[0]:
                    time.sleep(0.01)
                    try:
                        data = os.read(source, 65536)
                    except OSError:  # a terminal whose other end was closed
                        data = b""
                    with self.changed:
                        self.buffer += data
                        self.ended = self.ended or not data
                        self.changed.notify_all()
                if self.ended or time.monotonic() >= log_again:
                    log.write(self.buffer[logged:])
                    logged, log_again = len(self.buffer), time.monotonic() + 1.0

    def expect(self, pattern, seconds, what=None):
        """Waits for the pattern (bytes) after what earlier calls matched, and returns the match. The
        pattern should begin with fixed text: it is looked for again whenever something arrives."""
        compiled = re.compile(pattern, re.DOTALL)

        def look():
            # A copy, since the buffer moves when it grows; matched only once it is known to be there.
            found = compiled.search(self.buffer, self.position)
            return compiled.search(bytes(self.buffer), self.position) if found else None

        found = self._wait_for(look, seconds, what or pattern.decode(errors="replace"))
        self.position = found.end()
        return found

    def until(self, marker, seconds):
        """Waits for the marker (bytes) and returns what came before it since the last match."""
        seen = self.position

        def look():
            nonlocal seen
            at = self.buffer.find(marker, seen)
            seen = max(self.position, len(self.buffer) - len(marker))
            return (at,) if at >= 0 else None

        (at,) = self._wait_for(look, seconds, marker.decode())
        before = bytes(self.buffer[self.position : at])
        self.position = at + len(marker)
        return before

    def _wait_for(self, look, seconds, what):
        deadline = time.monotonic() + seconds
        with self.changed:
            while True:
                found = look()
                if found:
                    return found
                if self.ended:
                    raise Failed(f"the console ended before '{what}'{self._how_it_ended()}")
                left = deadline - time.monotonic()
                if left <= 0:
                    raise Failed(f"no '{what}' on the console in {seconds} s")
                self.changed.wait(min(left, 1.0))
                # A terminal's other end shows no end of file while we hold it open ourselves.
                if self.terminal and self.process.poll() is not None:
                    self.changed.wait(0.5)
                    self.ended = True

    def _how_it_ended(self):
        try:
            status = self.process.wait(5)
        except subprocess.TimeoutExpired:
            return " (the monitor still runs)"
        return f" (the monitor's status: {status}; {self.monitor_words() or 'it said nothing'})"

    def monitor_words(self):
        """What the monitor itself has said so far, on stderr."""
        with open(self.stderr_path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()

    def send(self, data):
        """Types at the guest; returns when the monitor has taken all of it."""
        while data:
            try:
                data = data[os.write(self.stdin, data) :]
            except BrokenPipeError:
                raise Failed(f"the monitor closed its stdin{self._how_it_ended()}") from None

    def ask(self, command, answer, seconds=30):
        """Types a shell command and waits for the pattern. The answer must not be in the command: echo."""
        self.send(command.encode() + b"\n")
        return self.expect(answer, seconds)

    def resize(self, rows, columns):
        """The user's terminal has another size, of which its owner learns by a signal."""
        self.terminal.resize(rows, columns)
        self.signal(signal.SIGWINCH)

    def signal(self, number):
        self.process.send_signal(number)

    def finish(self, seconds):
        """Waits for the monitor's end and returns its status, negative for a signal that killed it."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failed(f"the monitor did not end within {seconds} s") from None
        if self.terminal is None:
            self.reader.join(5)
        return status

    def expect_status(self, wanted, seconds=60):
        status = self.finish(seconds)
        if status != wanted:
            raise Failed(f"status {status} instead of {wanted}; stderr: {self.monitor_words() or 'empty'}")

    def thread_names(self):
        names = []
        for task in os.listdir(f"/proc/{self.process.pid}/task"):
            with open(f"/proc/{self.process.pid}/task/{task}/comm", encoding="utf-8") as file:
                names.append(file.read().strip())
        return sorted(names)

    def close(self):
        """Kills what is left. The case's last act, whatever happened before."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        if self.terminal:
            os.close(self.terminal.slave)
        self.reader.join(5)
        if self.terminal:
            os.close(self.terminal.master)
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()
