"""Files that a measurement makes, and that are gone after it."""

import contextlib
import fcntl
import glob
import os
import random
import shutil
import tempfile
import time

from . import signals
from .failure import of_os_error

CHUNK_BYTES = 1 << 20
MEMORY = "/dev/shm"
PREFIX = "mayfly-bench-"
LOCK = "lock"


@contextlib.contextmanager
def memory_folder():
    """A folder in memory, as /run is on most hosts: on a disk's file system whatever is made in it would cost that
    disk's time. Jails may leave device nodes there. One whose measurement was killed is removed by the next."""
    remove_abandoned()
    try:
        path, lock = locked_folder()
    except OSError as error:
        raise of_os_error(f"a folder in {MEMORY}", error) from None
    try:
        os.chmod(path, 0o755)
        yield path
    finally:
        remove(path)
        os.close(lock)


def locked_folder():
    """A new folder, and a descriptor of a file in it that is locked as long as this process lives."""
    while True:
        path = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=MEMORY)
        lock = os.open(f"{path}/{LOCK}", os.O_RDONLY | os.O_CREAT, 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX)
        if os.path.exists(path):  # else another measurement has taken it for abandoned
            return path, lock
        os.close(lock)


def remove_abandoned():
    """The folders of this user whose lock nobody holds any more."""
    for path in glob.glob(f"{MEMORY}/{PREFIX}[0-9]*-*"):
        with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
            folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            stack.callback(os.close, folder)
            if os.fstat(folder).st_uid != os.geteuid():
                continue
            lock = os.open(LOCK, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            stack.callback(os.close, lock)
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove(path)


def remove(path):
    """A jailer that clears its own jail away at the same time may be in the way for a moment."""
    for _ in range(100):
        shutil.rmtree(path, ignore_errors=True)
        if not os.path.exists(path):
            return
        time.sleep(0.02)


@contextlib.contextmanager
def disk_file(size_bytes):
    """A descriptor of so much data that no file system can leave out, in a file without a name in TMPDIR or /var/tmp: it
    goes with this process, however that ends. It is on its disk, and stays in the page cache."""
    folder = os.environ.get("TMPDIR") or "/var/tmp"
    try:
        file = tempfile.TemporaryFile(prefix="mayfly-bench-", dir=folder, buffering=0)
    except OSError as error:
        raise of_os_error(f"a disk in {folder}", error) from None
    with file:
        fill(file, size_bytes, folder)
        yield file.fileno()


def fill(file, size_bytes, folder):
    generator = random.Random(20221)
    try:
        for at in range(0, size_bytes, CHUNK_BYTES):
            signals.check()
            file.write(generator.randbytes(min(CHUNK_BYTES, size_bytes - at)))
        # Else the kernel would write it during the measurement.
        os.fdatasync(file.fileno())
    except OSError as error:
        raise of_os_error(f"a disk in {folder}", error) from None


@contextlib.contextmanager
def opened(path):
    """A descriptor of a file or block device that is only read."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise of_os_error(path, error) from None
    try:
        yield file
    finally:
        os.close(file)


def path_of(file):
    """By which another program opens a descriptor of ours."""
    return f"/proc/{os.getpid()}/fd/{file}"


def read_all(file):
    """So that what fits into the page cache is there."""
    size, at = os.lseek(file, 0, os.SEEK_END), 0
    while piece := os.pread(file, CHUNK_BYTES, at):
        signals.check()
        at += len(piece)
    return size
