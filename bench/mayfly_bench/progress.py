"""How far a measurement is, on standard error: a line that is rewritten on a terminal; elsewhere, where it is logged, a
line for each tenth. Nothing within the first second."""

import sys
import time

QUIET_S = 1
REWRITE_S = 0.1


class Progress:
    def __init__(self, title, steps, is_logged=False):
        """Without a title nothing is shown."""
        self.is_logged = is_logged
        self.title, self.steps, self.done = title, steps, 0
        self.started = self.shown = time.monotonic()
        self.tenths = 0
        self.is_terminal = sys.stderr.isatty()
        self.has_line = False

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.has_line:
            self.write("\r\x1b[K")

    def write(self, text):
        print(text, end="", file=sys.stderr, flush=True)

    def name_step(self, name):
        """On a terminal, at once: what is done now, which may take long."""
        if self.is_terminal and self.title:
            self.write(f"\r\x1b[K{self.title}: {name}")
            self.has_line = True

    def step(self):
        self.done += 1
        now, tenths = time.monotonic(), self.done * 10 // self.steps
        is_due = now - self.shown >= REWRITE_S if self.is_terminal else self.is_logged and tenths > self.tenths
        if self.title is None or not is_due or now - self.started < QUIET_S:
            return
        text = f"{self.title}: {self.done * 100 // self.steps} % after {now - self.started:.0f} s"
        self.write(f"\r\x1b[K{text}" if self.is_terminal else f"{text}\n")
        self.tenths, self.shown, self.has_line = tenths, now, self.is_terminal
