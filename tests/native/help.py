"""Help and version: asked alike of every program, of each of its commands, and of every script that somebody may type."""

import functools
import os
import pathlib
import re
import subprocess
import tempfile

from kit import Skipped, case, expect, expect_equal, program

ROOT = pathlib.Path(__file__).resolve().parents[2]
HELP, VERSION = ("help", "--help", "-h"), ("version", "--version", "-V")
# A line of a help, or of its usage, that begins with one.
COMMAND = re.compile(r"^(?:  |usage: +mayfly(?:-\w+)? |       mayfly(?:-\w+)? )([a-z]+) ", re.MULTILINE)
PROGRAMS = {"mayfly": ("run", "api", "doctor"), "mayfly-bench": None, "mayfly-policy": None}
WITHOUT_COMMANDS = ("mayfly-jailer", "mayfly-image", "mayfly-debian-image")
PROGRAMS |= {name: () for name in WITHOUT_COMMANDS}
# What is run by something else, and by nobody's hand.
PARTS = (".ci/", "library/fake_monitor", "tests/nested/guest-init", "tests/nested/outer-init", "tests/nested/suite.py")
PARTS += ("tests/nested/cache-folder",)


def answer(folder, *words):
    """What is printed on stdout. In an empty folder, and where it finds nothing that installs or builds."""
    environment = {**os.environ, "PATH": folder + "/bin"}
    done = subprocess.run(
        words, cwd=folder, env=environment, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=30
    )
    expect_equal((done.returncode, done.stderr), (0, b""), f"status and stderr of {' '.join(map(str, words))}")
    return done.stdout.decode()


def with_empty_folder(test):
    @functools.wraps(test)
    def run():
        with tempfile.TemporaryDirectory() as folder:
            os.mkdir(folder + "/bin")
            for tool in ("bash", "python3", "dirname", "basename", "env"):
                for place in ("/usr/bin/", "/bin/"):
                    if os.path.exists(place + tool) and not os.path.lexists(f"{folder}/bin/{tool}"):
                        os.symlink(place + tool, f"{folder}/bin/{tool}")
            test(folder)

    return run


@case(needs_kvm=False)
@with_empty_folder
def programs_answer_alike(folder):
    walked = 0
    for name, commands in PROGRAMS.items():
        path = os.path.join(os.path.dirname(program()), name)
        if not os.path.exists(path):
            continue
        page = answer(folder, path, "--help")
        expect_equal(len(re.findall(r"\busage: ", page)), 1, f"how often {name} --help says usage")
        version = answer(folder, path, "--version")
        expect(re.fullmatch(rf"{name} [0-9]+\.[0-9]+\.[0-9]+\n", version), f"version of {name}: {version!r}")
        commands = COMMAND.findall(page) if commands is None else commands
        expect(commands or name in WITHOUT_COMMANDS, f"no commands in the help of {name}")
        for command in ((), *((each,) for each in commands)):
            pages = {answer(folder, path, *command, word) for word in HELP}
            expect_equal(len(pages), 1, f"different pages of {name} {command} by {HELP}")
            expect("usage: " in pages.pop(), f"no usage of {name} {command}")
            for word in VERSION:
                expect_equal(answer(folder, path, *command, word), version, f"{name} {command} {word}")
            walked += 1
    if walked < 20:
        raise Skipped(f"not all programs were built: {walked} commands answered")


@case(needs_kvm=False)
@with_empty_folder
def scripts_answer_and_do_nothing(folder):
    listed = subprocess.run(
        ["git", "-C", ROOT, "ls-files", "-co", "--exclude-standard"], check=True, capture_output=True, text=True
    ).stdout.split()
    scripts = [name for name in listed if os.access(ROOT / name, os.X_OK) and not name.startswith(PARTS)]
    scripts.remove("bench/mayfly-bench")  # as a program, with its modules beside it
    expect(len(scripts) > 30, f"few scripts: {scripts}")
    wrong = []
    for name in scripts:
        for word in ("-h", "--help"):
            try:
                text = answer(folder, ROOT / name, word)
            except Exception as error:  # all of them at once, as one who adds a script will want to know
                wrong.append(f"{name}: {error}")
                continue
            # Its name as somebody types it, or as a usage has it.
            if (
                not re.search(rf"\busage: (\S*/)?{re.escape(os.path.basename(name))}\b", text)
                or text.count("usage: ") > 1
            ):
                wrong.append(f"{name} {word}: {text[:60]!r}")
    expect(not wrong, "\n".join(wrong))
    expect_equal(sorted(os.listdir(folder)), ["bin"], "what was left there")
