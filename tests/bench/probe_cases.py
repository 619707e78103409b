"""The probe as Python drives it: programs of the shell, in rounds, kept, or asked for a line."""

import errno
import pathlib
import tempfile

from kit import case
from mayfly_bench.failure import Failure
from mayfly_bench.probe import RUN_MARK, Contestant, Crew, first_line, program, take_rounds


def shell(name, script, **plan):
    return Contestant(name, "start", program(name, ["/bin/sh", "-c", script], errors="kept"), **plan)


@case
def rounds_go_there_and_back():
    with tempfile.TemporaryDirectory() as folder:
        scripts = {name: f"echo up; printf {name}{RUN_MARK} >>{folder}/order" for name in "ab"}
        contestants = [shell(name, script) for name, script in scripts.items()]
        assert take_rounds(contestants, runs=2, warm_up=1) is None
        assert pathlib.Path(folder, "order").read_text() == "a0b0b1a1a2b2"
        for one in contestants:
            assert len(one.values) == 2 and all(0 < first <= end for first, end in one.values), one.values


@case
def one_that_fails_is_left_out():
    good, bad = shell("good", "echo up"), shell("bad", "echo oops >&2")
    none = Contestant("none", "start", program("none", ["/no/such/program"]))
    assert take_rounds([good, bad, none], runs=3, leaves_out=True) is None
    assert len(good.values) == 3 and good.absence is None
    assert bad.values == [] and bad.absence.code == errno.EPIPE and bad.absence.last_words == "oops\n", bad.absence
    assert none.absence.reason == "cannot start the program: No such file or directory", none.absence


@case
def or_it_ends_the_rounds_and_is_named():
    failure = take_rounds([shell("good", "echo up"), shell("bad", "echo up; exit 3")], runs=3)
    assert str(failure).startswith("bad: exit status"), failure
    failure = take_rounds([Contestant("none", "start", program("none", ["/no/such/program"]))], runs=1)
    assert str(failure) == "none: cannot start the program: No such file or directory", failure


@case
def a_crew_is_kept_until_it_is_left():
    with Crew() as crew:
        pid = crew.add(program("vm", ["/bin/sh", "-c", "echo up; exec sleep 1000"]))
        assert pathlib.Path(f"/proc/{pid}").exists()
        try:
            crew.add(program("silent", ["/bin/true"]))
        except Failure as failure:
            assert str(failure).startswith("silent: output") and failure.code == errno.EPIPE, failure
        else:
            raise AssertionError("it is in the crew")
        assert crew.pids == [pid]
    assert not pathlib.Path(f"/proc/{pid}").exists()


@case
def a_program_tells_its_version():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "fake")
        path.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "fake v1.2.3 é" && echo more\n')
        path.chmod(0o755)
        assert first_line(str(path)).startswith("fake v1.2.3 ")
        path.write_text("#!/bin/sh\nexec sleep 1000\n")
        assert first_line(str(path), limit_ms=100) == ""
    try:
        first_line("/no/such/program")
    except Failure as failure:
        assert str(failure) == "/no/such/program: cannot start the program: No such file or directory", failure
    else:
        raise AssertionError("it has a version")
