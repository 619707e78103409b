"""The program itself: help, versions, and flags that are wrong. None of it needs a guest."""

import subprocess

from kit import case
from mayfly_bench import places
from mayfly_bench.main import COMMANDS

SCREEN_LINES, SCREEN_COLUMNS = 24, 80


def bench(*arguments):
    return subprocess.run(
        [places.program("mayfly-bench"), *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@case
def help_is_a_screen_for_the_program_and_each_command():
    for words in ([], *([name] for name in COMMANDS)):
        for flag in ("-h", "--help"):
            done = bench(*words, flag)
            lines = done.stdout.splitlines()
            assert done.returncode == 0 and done.stderr == "", (words, done.stderr)
            assert len(lines) <= SCREEN_LINES, f"{words} {flag}: {len(lines)} lines"
            assert max(map(len, lines)) <= SCREEN_COLUMNS, f"{words} {flag}"
            assert any("usage: mayfly-bench" in line for line in lines), done.stdout
    assert all(name in bench("--help").stdout for name in COMMANDS)


@case
def version():
    version = (places.MODULES / "VERSION").read_text().strip()
    for words in ([], *([name] for name in COMMANDS)):
        done = bench(*words, "--version")
        assert (done.returncode, done.stdout) == (0, f"mayfly-bench {version}\n"), (words, done)


@case
def no_command_and_an_unknown_one():
    assert bench().returncode == 2
    done = bench("densities")
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and "densities" in done.stderr, done


@case
def a_number_out_of_range_is_refused_with_its_limits():
    for words in (
        ("startup", "--runs", "0", "from 1 to 100000"),
        ("compare", "--warm-up", "x", "from 0 to 100000"),
        ("density", "--vms", "100001", "from 1 to 100000"),
        ("rate", "--most", "4097", "from 1 to 4096"),
        ("block", "--depth", "129", "from 1 to 128"),
        ("net", "--batch", "0", "from 1 to 128"),
        ("api", "--requests", "-1", "from 1 to 100000"),
        ("jail", "--at-once", "10001", "from 1 to 10000"),
        ("channel", "--megabytes", "0", "from 1 to 100000"),
        ("memory", "--memory", "0M", "128M"),
    ):
        done = bench(*words[:3])
        lines = done.stderr.splitlines()
        assert (done.returncode, done.stdout, len(lines)) == (1, "", 1), done
        assert words[1] in lines[0] and words[3] in lines[0], lines


@case
def a_flag_given_twice_or_unknown():
    for words in (("startup", "--runs", "1", "--runs", "2"), ("rate", "--what"), ("memory", "more")):
        done = bench(*words)
        assert done.returncode == 1 and len(done.stderr.splitlines()) == 1, done


@case
def a_control_character_does_not_reach_the_terminal():
    done = bench("startup", "--mayfly", "/no\x1b[31m")
    assert "\x1b" not in done.stderr and "/no?[31m" in done.stderr, done.stderr
