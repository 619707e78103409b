"""Files that are written whole or not at all: what was there before stays until the new one is complete."""

import os
import stat

from ..records import Refused


def write_whole(path, content):
    target = os.path.realpath(path)
    try:
        if os.path.exists(target) and not stat.S_ISREG(os.stat(target).st_mode):
            write(target, os.O_WRONLY, content)  # a device or a pipe: nothing to keep, and it must stay what it is
            return
        if os.path.exists(target) and not os.access(target, os.W_OK):
            raise PermissionError(13, "may not be written")
        replace(target, content)
    except OSError as error:
        raise Refused(f"{path}: cannot be written: {error.strerror}; name another place with --html or --png") from None


def replace(target, content):
    folder, name = os.path.split(target)
    partial = os.path.join(folder, f".{name[:200]}.{os.getpid()}")
    try:
        write(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, content)
        os.replace(partial, target)
    except BaseException:
        if os.path.exists(partial):
            os.unlink(partial)
        raise


def write(path, flags, content):
    with open(os.open(path, flags | os.O_CLOEXEC, 0o666), "wb") as file:
        file.write(content)
        file.flush()


def make_folder(path):
    try:
        os.makedirs(path, exist_ok=True)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror}; name a folder with --png") from None
