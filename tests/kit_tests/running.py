"""What the runner makes of cases: their results, which of them run, and which at once."""
import trial
from kit import case, expect, expect_equal, scratch

EACH = """
@case
def passes(): pass
@case(when="quick")
def passes_quickly(): pass
@case
def fails(): raise Failed("six is not nine")
@case
def asserts(): assert 6 == 9, "six is six"
@case
def breaks(): {}["key"]
@case
def leaves_the_program(): sys.exit(0)
@case
def cannot(): raise Skipped("no reason")
@case
def dies(): os.kill(os.getpid(), signal.SIGKILL)
@case(when="long")
def takes_minutes(): pass
"""


@case
def each_result_is_told():
    with scratch() as folder:
        status, lines = trial.run(folder, EACH, "--jobs", "1")
        expect_equal(status, 1, "status")
        text = "\n".join(lines)
        for wanted in (
            "PASS trial_cases.passes (",
            "PASS trial_cases.passes_quickly (",
            "FAIL trial_cases.fails: six is not nine",
            "FAIL trial_cases.asserts: six is six",
            "FAIL trial_cases.breaks: Traceback",
            "FAIL trial_cases.leaves_the_program: Traceback",
            "SKIP trial_cases.cannot: no reason",
            "FAIL trial_cases.dies: it ended with -9",
        ):
            expect(wanted in text, f"{wanted!r} is not in {text}")
        expect_equal(lines[-1], "2 passed, 5 failed, 1 skipped", "the last line")


@case
def which_run():
    with scratch() as folder:
        for arguments, wanted in (
            (["--quick"], "1 passed, 0 failed, 0 skipped"),
            (["--filter", "passes"], "2 passed, 0 failed, 0 skipped"),
            (["--filter", "minutes"], "0 passed, 0 failed, 0 skipped"),
            (["--filter", "minutes", "--long"], "1 passed, 0 failed, 0 skipped"),
        ):
            status, lines = trial.run(folder, EACH, *arguments)
            expect_equal((status, lines[-1]), (0, wanted), f"status and last line of {arguments}")


@case
def what_a_case_prints_is_seen_when_it_fails():
    cases = """
    @case
    def prints():
        print("to stdout", flush=True)
        subprocess.run(["sh", "-c", "echo to stderr >&2"])
        raise Failed("it had to")
    @case
    def prints_and_passes(): print("never seen")
    """
    with scratch() as folder:
        text = "\n".join(trial.run(folder, cases)[1])
        expect("    to stdout\n    to stderr" in text and "never seen" not in text, text)


@case
def cases_run_at_once_but_for_those_that_are_alone():
    cases = """
    def meets(mine, other):
        (HERE / mine).touch()
        give_up = time.monotonic() + 30
        while not (HERE / other).exists():
            expect(time.monotonic() < give_up, "the other case does not run")
            time.sleep(0.01)
    @case
    def one(): meets("one", "two")
    @case(alone="it counts the others")
    def alone():
        expect((HERE / "finished").exists(), "it is not the last")
    @case
    def two():
        meets("two", "one")
        time.sleep(0.3)
        (HERE / "finished").touch()
    """
    with scratch() as folder:
        status, lines = trial.run(folder, cases, "--jobs", "2")
        expect_equal((status, lines[-1]), (0, "3 passed, 0 failed, 0 skipped"), f"status and last line of {lines}")


@case
def a_sanitized_build_leaves_out_what_gains_nothing():
    cases = """
    @case(unsanitized="it asks no program")
    def pure(): pass
    @case(unsanitized={"thread": "it has one thread"})
    def sequential(): pass
    @case
    def concurrent(): pass
    """
    with scratch() as folder:
        (folder / "bin").mkdir()
        program = folder / "bin" / "mayfly"
        for content, ran in ((b"", 3), (b"__asan_init", 2), (b"__tsan_init", 1)):
            program.write_bytes(content)
            program.chmod(0o755)
            status, lines = trial.run(folder, cases, str(folder), more="programs=('mayfly',)")
            expect_equal((status, lines[-1]), (0, f"{ran} passed, 0 failed, 0 skipped"), f"{content}: {lines}")


@case
def a_suite_that_lacks_a_module_is_skipped():
    with scratch() as folder:
        cases = "import no_such_module"
        status, lines = trial.run(folder, cases, more="may_lack=('no_such_module',)")
        expect("SKIP trial_cases: Python's module no_such_module is missing" in lines, lines)
        expect_equal(status, 0, "status")
        expect(trial.run(folder, cases)[0] != 0, "a module that must be there is not missed")
