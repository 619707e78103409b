"""Versions of programs and kernels."""

import re


def version_number(line):
    """The first word with a digit in what a program says of its version; "-": none."""
    return next((word for word in line.split(" ") if re.search(r"[0-9]", word)), "-")


def version_key(text):
    """Sorts older before newer: runs of digits compare as numbers."""
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.findall(r"[0-9]+|[^0-9]", text)]
