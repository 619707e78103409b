"""What ends a measurement, as the user reads it: one line."""

import os


class Failure(Exception):
    """`code` is an errno value where there is one, else 0."""

    def __init__(self, line, code=0):
        super().__init__(line)
        self.code = code


class Interrupted(Failure):
    def __init__(self):
        super().__init__("the measurement was ended by a signal")


def of_os_error(what, error, hint=""):
    """`what`: the file or the operation."""
    reason = os.strerror(error.errno) if error.errno else str(error)
    return Failure(f"{what}: {reason}" + (f"; {hint}" if hint else ""), error.errno or 0)
