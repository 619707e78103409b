"""A pseudo-terminal as a user's: the program under test has the slave, the case holds the other side."""
import fcntl
import os
import pty
import select
import struct
import termios
import time

from kit.cases import Failed


class Terminal:
    """As a login terminal is: cooked, echoing. What is left of that afterwards is a test."""

    def __init__(self):
        self.master, self.slave = pty.openpty()
        self.before = termios.tcgetattr(self.slave)
        self.output = b""

    def close(self):
        os.close(self.master)
        os.close(self.slave)

    def read_until(self, text, limit_s=30):
        """Reads until `output` has `text`."""
        deadline = time.monotonic() + limit_s
        while text not in self.output:
            if time.monotonic() > deadline:
                raise Failed(f"{text!r} did not come; got {self.output!r}")
            if select.select([self.master], [], [], 0.1)[0]:
                self.output += os.read(self.master, 4096)

    def is_restored(self):
        return termios.tcgetattr(self.slave) == self.before

    def is_raw(self):
        return not termios.tcgetattr(self.slave)[3] & (termios.ICANON | termios.ECHO | termios.ISIG)

    def resize(self, rows, columns):
        """Its owner learns of that by a SIGWINCH, which is the case's to send where it is not the foreground's."""
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
