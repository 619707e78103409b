"""A VM that is driven by its API: what the suites `api`, `api_walk` and `api_hostile` share."""
import os
import pathlib
import select
import shutil
import signal
import subprocess
import tempfile
import time

from bad_input import kernel_of
from kit import TIME_LIMIT_S, Failed, expect, expect_equal, program
from kit.api import Requests, connect

# Gives back what it reads, which proves that it runs, until Ctrl-D, which it does not; then ends with status 9.
ECHO = "silent boot-signal echo exit=9"
ECHO_STATUS = 9
STATUS_HUNG_UP = 128 + signal.SIGHUP  # the only client of --api-fd is gone


class Vm(Requests):
    """The monitor in Firecracker mode with a folder of its own; killed when the case ends, if it still runs.

    In `flags`, {folder} stands for that folder. Without them its socket is `api` there. It is ready when the constructor
    is through, unless `connects` is false."""

    def __init__(self, *flags, connects=True, stdin=subprocess.PIPE, **more):
        self.folder = tempfile.mkdtemp()
        os.chmod(self.folder, 0o755)
        self.path = os.path.join(self.folder, "api")
        self.kernel = kernel_of(self.folder)
        self.log = open(os.path.join(self.folder, "stderr"), "w+b")
        command = [program(), *(flags or ("--api-sock", self.path))]
        self.process = subprocess.Popen(
            [word.replace("{folder}", self.folder) for word in command],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=self.log,
            **more,
        )
        self.output = b""
        self.client = None
        if connects:
            self.client = self.connect()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.hang_up()
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for file in (self.process.stdin, self.process.stdout):
            if file:
                try:
                    file.close()
                except BrokenPipeError:  # what the guest never read
                    pass
        self.log.close()
        shutil.rmtree(self.folder)

    def file(self, name, content=b""):
        path = pathlib.Path(self.folder, name)
        path.write_bytes(content)
        return str(path)

    def stderr(self):
        return pathlib.Path(self.log.name).read_bytes()

    def connect(self):
        """A client, as soon as the socket is there."""
        give_up = time.monotonic() + TIME_LIMIT_S
        while True:
            try:
                return connect(self.path)
            except (FileNotFoundError, ConnectionRefusedError) as error:
                expect(self.process.poll() is None, f"it ended with {self.process.returncode}: {self.stderr()!r}")
                expect(time.monotonic() < give_up, f"no API in {TIME_LIMIT_S} s: {error}")
                time.sleep(0.002)

    def request(self, method, path, body=None):
        """By the connection that is kept; by a new one where that was closed."""
        response = None
        for _ in range(2):
            if response is None:
                self.client = self.client or self.connect()
                try:
                    response = self.client.request(method, path, body)
                except (BrokenPipeError, ConnectionResetError):
                    pass
            if response is None:
                self.hang_up()
        expect(response is not None, f"{method} {path}: the connection ends without a response ({self.stderr()!r})")
        return response

    def hang_up(self):
        """The next request has a connection of its own."""
        if self.client:
            self.client.socket.close()
        self.client = None

    def configure(self, boot_args=ECHO):
        self.do("PUT", "/boot-source", {"kernel_image_path": self.kernel, "boot_args": boot_args})

    def pause(self):
        self.do("PATCH", "/vm", {"state": "Paused"})

    def resume(self):
        self.do("PATCH", "/vm", {"state": "Resumed"})

    def start(self, boot_args=ECHO):
        self.configure(boot_args)
        self.action("InstanceStart")

    def read_until(self, wanted):
        """What the guest wrote up to `wanted`, and that."""
        give_up = time.monotonic() + TIME_LIMIT_S
        while wanted not in self.output:
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, give_up - time.monotonic()))
            chunk = os.read(self.process.stdout.fileno(), 65536) if ready else b""
            expect(chunk, f"{wanted!r} did not come from the guest: {self.output!r} ({self.stderr()!r})")
            self.output += chunk
        at = self.output.index(wanted) + len(wanted)
        read, self.output = self.output[:at], self.output[at:]
        return read

    def has_written(self, wanted):
        """The guest's output so far has these bytes."""
        if select.select([self.process.stdout], [], [], 0)[0]:
            self.output += os.read(self.process.stdout.fileno(), 65536)
        return wanted in self.output

    def type(self, data):
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def ping(self):
        """The guest of ECHO executes: it gives back a word it cannot know."""
        word = b"<%s>" % os.urandom(4).hex().encode()
        self.type(word)
        self.read_until(word)

    def expect_runs(self):
        """The process lives, says that its VM runs, and the VM does."""
        expect_equal(self.process.poll(), None, f"it has ended ({self.stderr()!r})")
        expect_equal(self.state(), "Running", "state")
        self.ping()

    def wait(self):
        try:
            return self.process.wait(TIME_LIMIT_S)
        except subprocess.TimeoutExpired:
            raise Failed(f"it has not ended in {TIME_LIMIT_S} s ({self.stderr()!r})") from None

    def end(self):
        """Lets the guest of ECHO end."""
        self.type(b"\x04")
        expect_equal(self.wait(), ECHO_STATUS, f"exit status ({self.stderr()!r})")

    def terminate(self):
        self.process.terminate()
        expect_equal(self.wait(), 128 + signal.SIGTERM, f"exit status after SIGTERM ({self.stderr()!r})")
