"""What checks sources: tests/lint asks clang-tidy again when it has to, and tests/check-scripts finds every script."""
import json
import os
import subprocess

import trial
from kit import case, expect, expect_equal, scratch


class Project:
    """Two sources, of which one has a header, with a cache of marks of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.put(".clang-tidy", "Checks: '-*,modernize-use-nullptr'\nWarningsAsErrors: '*'\n")
        self.put("own.hpp", "inline int six() { return 6; }\n")
        self.put("one.cpp", '#include "own.hpp"\nint one() { return six(); }\n')
        self.put("two.cpp", "int* two() { return nullptr; }\n")
        self.compile_with("-std=c++20")

    def put(self, name, text):
        (self.folder / name).write_text(text)

    def compile_with(self, *flags, two=()):
        """Writes the database; two.cpp is compiled with further flags a second time if there are some."""
        ways = [("one.cpp", flags), ("two.cpp", flags), *([("two.cpp", [*flags, *two])] if two else [])]
        entries = [
            {
                "directory": str(self.folder),
                "file": str(self.folder / name),
                "arguments": ["clang++", *more, "-MD", "-MF", "d", "-o", "o", "-c", str(self.folder / name)],
            }
            for name, more in ways
        ]
        self.put("compile_commands.json", json.dumps(entries))

    def lint(self):
        """(status, how many files clang-tidy was asked for, all that was said)."""
        done = subprocess.run(
            [str(trial.TESTS / "lint"), str(self.folder)],
            env={**os.environ, "MAYFLY_CACHE": str(self.folder / "cache")},
            capture_output=True,
            text=True,
            check=False,
        )
        last = (done.stdout.splitlines() or [done.stderr])[-1]
        return done.returncode, int(last.split(" by clang-tidy")[0].split()[-1]), done.stdout


@case
def a_file_is_looked_at_again_when_something_of_it_is_another():
    with scratch() as folder:
        project = Project(folder)

        def expect_asked(wanted, what):
            expect_equal(project.lint()[:2], (0, wanted), f"status and files asked for {what}")

        expect_asked(2, "at first")
        expect_asked(0, "again")
        project.put("own.hpp", "inline int six() { return 5 + 1; }\n")
        expect_asked(1, "after a change of a header")
        project.put("own.hpp", "inline int six() { return 5 + 1; }  // NOLINT\n")
        expect_asked(1, "after a change of a comment, which may speak to clang-tidy")
        project.put("two.cpp", "int* two() { return {}; }\n")
        expect_asked(1, "after a change of a source")
        project.put("two.cpp", "int* two() { return nullptr; }\n")
        expect_asked(0, "after that has been taken back")
        project.compile_with("-std=c++20", "-DMORE")
        expect_asked(2, "after a change of flags")
        project.compile_with("-std=c++20", "-DMORE", two=["-DYET_MORE"])
        expect_asked(1, "when a file is compiled in another way, too")
        project.put(".clang-tidy", "Checks: '-*,modernize-use-nullptr,misc-static-assert'\nWarningsAsErrors: '*'\n")
        expect_asked(2, "after a change of .clang-tidy")
        expect_asked(0, "at last")


@case
def what_fails_is_never_taken_for_good():
    with scratch() as folder:
        project = Project(folder)
        project.put("own.hpp", "inline int* six() { return 0; }\n")
        project.put("one.cpp", '#include "own.hpp"\nint* one() { return NULL_OF(0); }\n')
        for _ in range(2):  # it does not compile
            status, asked, said = project.lint()
            expect(status == 1 and "one.cpp" in said and "NULL_OF" in said, f"status {status}: {said}")
        expect_equal(asked, 1, "files asked for")
        project.put("one.cpp", "int* one() { return 0; }\n")
        for _ in range(2):  # it compiles, and breaks a rule
            status, asked, said = project.lint()
            expect(status == 1 and "modernize-use-nullptr" in said, f"status {status}: {said}")
        expect_equal(asked, 1, "files asked for")
        project.put("one.cpp", '#include "absent.hpp"\nint one() { return 1; }\n')
        status, asked, said = project.lint()
        expect(status == 1 and "absent.hpp" in said, f"status {status}: {said}")
        project.put("absent.hpp", "\n")
        expect_equal(project.lint()[:2], (0, 1), "status and files asked for when the header is there")


@case
def scripts_are_found_by_ending_and_by_first_line():
    with scratch() as folder:
        for name, text in (
            ("bad.py", "import os\n\nprint( 'x' )\n"),
            ("runs", "#!/usr/bin/env python3\nimport sys\n"),
            ("shell", "#!/bin/bash\necho $1\n"),
            ("busy", "#!/bin/busybox sh\n# shellcheck shell=dash\necho $2\n"),
            ("text", "no script\n"),
            ("program", "\x7fELF"),
        ):
            (folder / name).write_text(text)
        subprocess.run(["git", "init", "-q"], cwd=folder, check=True)
        found = checker().complaints(folder)
        text = "\n".join(found)
        for wanted in (
            "would reformat",
            "bad.py:1:1: 'os' imported",
            "runs:2:1: 'sys' imported",
            "In shell line 2",
            "In busy line 3",
        ):
            expect(wanted in text, f"{wanted!r} is not in {text}")
        expect_equal(checker().scripts(folder, "python"), ["bad.py", "runs"], "Python")
        expect_equal(checker().scripts(folder, "shell"), ["busy", "shell"], "shell")


def checker():
    """tests/check-scripts as a module."""
    import importlib.machinery
    import importlib.util

    loader = importlib.machinery.SourceFileLoader("check_scripts", str(trial.TESTS / "check-scripts"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_scripts", loader))
    loader.exec_module(module)
    return module
