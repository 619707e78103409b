"""What the subcommands have in common in their flags. A wrong one is one line that says what is allowed."""

import argparse
import os
import re
import resource
import sys

from . import places
from .failure import Failure

HELP_WORDS = ("help", "--help", "-h")
VERSION_WORDS = ("version", "--version", "-V")
KIB = {"K": 1, "M": 1 << 10, "G": 1 << 20}
MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}


class Once(argparse.Action):
    def __call__(self, parser, options, value, option=None):
        if option in parser.given:
            parser.error(f"{option} is given twice")
        parser.given.add(option)
        setattr(options, self.dest, value)


class Parser(argparse.ArgumentParser):
    def __init__(self, command, summary, arguments="[flags]", status=1):
        super().__init__(
            prog=f"mayfly-bench {command}",
            usage=f"mayfly-bench {command} {arguments}",
            description=summary,
            allow_abbrev=False,
            add_help=False,
            formatter_class=lambda prog: argparse.HelpFormatter(prog, max_help_position=22, width=80),
        )
        self.command, self.status, self.given = command, status, set()
        self.add_argument("-h", "--help", action="help", help="this text")
        version = f"mayfly-bench {places.version()}"
        self.add_argument("-V", "--version", action="version", version=version, help="the version")

    def error(self, message):
        line = message.removeprefix("argument ").replace("unrecognized arguments", "unknown flag")
        complain(f"{self.command}: {line}; see mayfly-bench {self.command} --help")
        sys.exit(self.status)

    def flag(self, name, help, **more):
        """Given once at most; its help has the default."""
        if "action" not in more:
            more = {"action": Once, "metavar": "N", **more}
        self.add_argument(name, help=help, **more)

    # Those that several have.

    def runs(self, runs, warm_up, most=100_000, runs_help="measured runs of each program (default %(default)s)"):
        self.flag("--runs", runs_help, type=number(1, most), default=runs)
        self.flag(
            "--warm-up", f"uncounted runs of each before (default {warm_up})", type=number(0, most), default=warm_up
        )

    def rounds(self, most=10_000):
        self.flag("--rounds", "runs of each program (default 5)", type=number(1, most), default=5)

    def programs(self, *names):
        of = {"mayfly": "the monitor", "mayfly-floor": "the least that can be"}
        for name in names:
            flag = "--" + name.removeprefix("mayfly-")
            help = f"{of[name]} (default: {name} beside this program)"
            self.flag(flag, help, metavar="FILE", default=str(places.program(name)), type=str)

    def results(self):
        self.flag("--results", "appends what is measured, as JSON lines", metavar="FILE", default=None)


def as_flags(arguments):
    """A word that asks for help or the version counts as its flag, where it stands alone: it may be a file's name."""
    if len(arguments) != 1:
        return arguments
    for words in (HELP_WORDS, VERSION_WORDS):
        if arguments[0] in words:
            return [words[1]]
    return arguments


def complain(line):
    """Also of what somebody else named: no control character reaches the terminal."""
    printable = "".join(letter if letter.isprintable() else "?" for letter in line)
    print(f"mayfly-bench: {printable}", file=sys.stderr)


def number(least, most):
    def parse(text):
        value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
        if not least <= value <= most:
            raise argparse.ArgumentTypeError(f"{text}: a whole number from {least} to {most} is wanted")
        return value

    return parse


def size_kib(text):
    found = re.fullmatch(r"([0-9]{1,12})([KMG])", text)
    if not found or int(found[1]) == 0:
        raise argparse.ArgumentTypeError(f"{text}: a size is wanted, as in 512K, 128M or 4G")
    return int(found[1]) * KIB[found[2]]


def duration_ms(least_ms, most_ms, words):
    def parse(text):
        found = re.fullmatch(r"([0-9]{1,12})(ms|s|m|h)", text)
        if not found or not least_ms <= int(found[1]) * MS[found[2]] <= most_ms:
            raise argparse.ArgumentTypeError(f"{text}: a time {words} is wanted, as in 500ms, 5s or 2m")
        return int(found[1]) * MS[found[2]]

    return parse


def named_command(text):
    """NAME=COMMAND WORD...: words part at blanks, and there is no quoting. The command is a path: a search through PATH
    would be measured with it."""
    name, _, words = text.partition("=")
    if not name or not words.split():
        raise argparse.ArgumentTypeError(f"{text}: write NAME=COMMAND WORD...")
    return name, command_words(words)


def command_words(text):
    words = text.split()
    if not words:
        raise argparse.ArgumentTypeError(f"{text}: write COMMAND WORD...")
    problem = access_problem(words[0], os.X_OK)
    if problem:
        raise argparse.ArgumentTypeError(f"{text}: {problem}; give the path of a program")
    return words


def access_problem(path, mode):
    """Why the file cannot be used so, or None."""
    try:
        os.stat(path)
    except OSError as error:
        return error.strerror
    return None if os.access(path, mode) else "Permission denied"


def check_usable(flag, path, mode=os.X_OK):
    """Errors: the file that a flag names, or its default, cannot be used."""
    problem = access_problem(path, mode)
    if problem:
        raise Failure(f"{flag}: {path}: {problem}; build it, or give its path")


def check_kvm():
    problem = access_problem("/dev/kvm", os.R_OK | os.W_OK)
    if problem:
        raise Failure(f"/dev/kvm: {problem}; needs a host with KVM, and the right to use it")


def allow_descriptors(count):
    """For so many in the probe, as far as the limits allow. Errors: they do not."""
    wanted = count + 64
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft >= wanted or soft == resource.RLIM_INFINITY:
        return
    if hard < wanted and hard != resource.RLIM_INFINITY:
        raise Failure(f"open files: {wanted} are needed, {hard} allowed; raise the hard limit: ulimit -Hn")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
