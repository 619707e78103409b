"""What was measured, as JSON lines: a record a line, appended to a file as soon as it is known. results.schema.json is
the format, METHOD.md says what the records mean; records.py reads them."""

import contextlib
import fcntl
import json
import os
import secrets
import stat
import time

from . import machine
from .failure import Failure, Interrupted, of_os_error
from .records import FORMAT

FIRST_BYTES = b'{"type":"run","format":"mayfly-bench/'


def to_a_thousandth(value):
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, dict):
        return {name: to_a_thousandth(one) for name, one in value.items()}
    return [to_a_thousandth(one) for one in value] if isinstance(value, (list, tuple)) else value


class Results:
    """Without a path nothing is kept, and everything below succeeds. Errors of all of them: what keeps the file from
    being written, which ends with the record before then."""

    def __init__(self, path, command, arguments, reference):
        self.path, self.file = path, None
        if path is None:
            return
        self.file = open_results(path)
        now = time.gmtime()
        self.run = f"{time.strftime('%Y%m%dT%H%M%SZ', now)}-{os.getpid()}-{secrets.token_hex(2)}"
        self.record(
            "run",
            format=FORMAT,
            command=command,
            arguments=list(arguments),
            started=date(now),
            reference=reference,
            machine=machine.facts(),
        )

    def program(self, program, guest, version):
        self.record("program", program=program["name"], guest=guest, version=version, words=program["words"])

    def samples(self, program, guest, figure, unit, samples):
        self.record("samples", program=program, guest=guest, figure=figure, unit=unit, samples=samples)

    def stages(self, program, guest, stages):
        """`stages`: {name: durations in us}."""
        named = [{"name": name, "samples": samples} for name, samples in stages.items()]
        self.record("stages", program=program, guest=guest, unit="us", stages=named)

    def density(self, program, guest, guest_memory_kib, points):
        self.record("density", program=program, guest=guest, guest_memory_kib=guest_memory_kib, points=points)

    def rate(self, program, guest, in_flight, samples):
        self.record("rate", program=program, guest=guest, in_flight=in_flight, unit="1/s", samples=samples)

    def absent(self, program, guest, reason):
        self.record("absent", program=program, guest=guest, reason=reason)

    def end(self, failure=None):
        """How the run ended."""
        outcome = "complete" if failure is None else "interrupted" if isinstance(failure, Interrupted) else "failed"
        self.record("end", ended=date(time.gmtime()), outcome=outcome, reason=str(failure or ""))

    def record(self, kind, **fields):
        if self.file is None:
            return
        line = json.dumps({"type": kind, **to_a_thousandth(fields), "run": self.run}, separators=(",", ":"))
        self.append(line.encode("ascii") + b"\n")

    def append(self, line):
        before = os.fstat(self.file)
        try:
            while line:
                line = line[os.write(self.file, line) :]
        except OSError as error:
            # Half a record is worth nothing.
            if stat.S_ISREG(before.st_mode):
                os.ftruncate(self.file, before.st_size)
            raise of_os_error(f"{self.path}: results", error, "what was finished before is kept") from None


def date(now):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", now)


def open_results(path):
    """Errors: as open(2); another measurement writes to it; it holds something else, and stays as it is."""
    file = None
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOCTTY, 0o644)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        make_ready(file, path)
        return file
    except BlockingIOError:
        os.close(file)
        raise Failure(f"--results: {path}: another measurement writes to it") from None
    except OSError as error:
        raise of_os_error(f"--results: {path}", error) from None


def make_ready(file, path):
    """A line that a full disk cut off is ended."""
    status = os.fstat(file)
    if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
        return
    if os.pread(file, len(FIRST_BYTES), 0) != FIRST_BYTES:
        os.close(file)
        raise Failure(f"--results: {path}: it is no results file; name another")
    if os.pread(file, 1, status.st_size - 1) != b"\n":
        os.write(file, b"\n")


@contextlib.contextmanager
def recorded(options, command, arguments, reference):
    """The run's Results, which tell how it ended."""
    results = Results(options.results, command, arguments, reference)
    try:
        yield results
    except Exception as failure:
        with contextlib.suppress(Failure):
            results.end(failure)
        raise
    else:
        results.end()
    finally:
        if results.file is not None:
            os.close(results.file)
