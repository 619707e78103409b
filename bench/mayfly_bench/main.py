"""The subcommands, and how each ends: status 0; 1 with one line that says why; 130 after a signal; 2 for a command
that is not known."""

import importlib
import os
import sys

from . import flags, places, signals
from .failure import Failure, Interrupted

# name: the module, and what it measures.
COMMANDS = {
    "startup": "from spawn to a guest's first output, beside the floor",
    "compare": "Mayfly and the other monitors that are here, with the same guests",
    "density": "what many idle VMs cost together",
    "rate": "starts a second, with more and more at a time",
    "block": "random reads by a guest, beside those of a plain io_uring program",
    "net": "frames that a guest sends, beside those of a plain io_uring program",
    "api": "what it costs to be told by an API what to run",
    "jail": "what a jail adds to a start",
    "memory": "what a monitor keeps for itself beside its guest's RAM",
    "channel": "how fast a guest's output comes through the channel",
    "report": "results files as one page of pictures and tables",
}
INTERRUPTED = 130  # as a shell has it: 128 + SIGINT


def usage():
    lines = "\n".join(f"  {name:10} {what}" for name, what in COMMANDS.items())
    return (
        "mayfly-bench measures Mayfly on this machine; bench/METHOD.md says how.\n\n"
        f"usage: mayfly-bench COMMAND [flags]\n\n{lines}\n\n"
        "mayfly-bench COMMAND --help (or help, -h) tells a command's flags,\n"
        "--version (or version, -V) the version.\n"
    )


def main(arguments):
    name = arguments[0] if arguments else None
    if name in flags.HELP_WORDS:
        print(usage(), end="")
        return 0
    if name in flags.VERSION_WORDS:
        print(f"mayfly-bench {places.version()}")
        return 0
    if name is None:
        print(usage(), end="", file=sys.stderr)
        return 2
    if name not in COMMANDS:
        flags.complain(f"unknown command: {name}; see mayfly-bench --help")
        return 2
    return run(name, flags.as_flags(arguments[1:]))


def run(name, arguments):
    try:
        if name == "report":
            return importlib.import_module(".report.main", __package__).main(arguments)
        command = importlib.import_module(f".commands.{name}", __package__)
        parser = flags.Parser(name, command.SUMMARY)
        command.add_flags(parser)
        options = parser.parse_args(arguments)
        signals.watch()
        command.run(options, arguments)
        sys.stdout.flush()
    except Interrupted as failure:
        flags.complain(str(failure))
        return INTERRUPTED
    except Failure as failure:
        flags.complain(str(failure))
        return 1
    except OSError as error:
        # Standard output, after which not even Python's own end may write there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        flags.complain(f"{error.filename or 'standard output'}: {error.strerror}")
        return 1
    except KeyboardInterrupt:
        return INTERRUPTED
    return 0
