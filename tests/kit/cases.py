"""Declaring a test case, and saying what was expected of what."""
import dataclasses
import typing

TIME_LIMIT_S = 120  # of one wait within a case; generous: a slow machine is no failure, a hang is
WHENS = ("quick", "usual", "long")


class Failed(Exception):
    """An expectation that did not hold; the text says which."""


class Skipped(Exception):
    """A case that cannot run here; the text says why."""


@dataclasses.dataclass
class Case:
    """None stands for the tier's own default."""

    name: str
    body: typing.Callable
    when: typing.Optional[str]
    limit_s: typing.Optional[float]
    needs_kvm: typing.Optional[bool]
    alone: str
    unsanitized: object

    def gains_from(self, sanitizer):
        reasons = self.unsanitized
        return not (reasons.get(sanitizer) if isinstance(reasons, dict) else reasons)


def case(body=None, *, when=None, limit_s=None, needs_kvm=None, alone="", unsanitized=""):
    """Declares a test case.

    when         "quick": also with --quick; "usual": without it; "long": with --long only
    limit_s      after so many seconds it is ended with all its processes, and has failed
    needs_kvm    skipped where /dev/kvm cannot be opened
    alone        why no other case may run at the same time
    unsanitized  why it would find nothing more in a build with a sanitizer, where it is left out; {"thread": "why"} if
                 that is so for one sanitizer
    """
    if when is not None and when not in WHENS:
        raise ValueError(f"when is {when!r}, none of {WHENS}")

    def declare(declared):
        name = f"{declared.__module__}.{declared.__name__}"
        declared.case = Case(name, declared, when, limit_s, needs_kvm, alone, unsanitized)
        return declared

    return declare if body is None else declare(body)


def cases_of(module):
    """The cases that a module declares, in their order. MODULE.ALONE and UNSANITIZED are the reasons of all without."""
    found = [
        value.case
        for value in vars(module).values()
        if getattr(value, "__module__", "") == module.__name__ and hasattr(value, "case")
    ]
    for one in found:
        one.alone = one.alone or getattr(module, "ALONE", "")
        one.unsanitized = one.unsanitized or getattr(module, "UNSANITIZED", "")
    return found


def expect(condition, what):
    if not condition:
        raise Failed(what)


def expect_equal(found, wanted, what):
    expect(found == wanted, f"{what}: {found!r} instead of {wanted!r}")


def expect_refused(result, *words, status=125, program="mayfly", is_silent=True):
    """A program ended with this status, said why in one line that has all the words, and wrote nothing to stdout."""

    def text(output):
        return output.decode() if isinstance(output, bytes) else output or ""

    errors = text(result.stderr)
    expect_equal(result.returncode, status, f"status ({errors!r})")
    if is_silent:
        expect_equal(text(result.stdout), "", "stdout")
    lines = errors.splitlines()
    expect_equal(len(lines), 1, f"lines on stderr ({errors!r})")
    expect(lines[0].startswith(f"{program}: "), f"no prefix: {lines[0]!r}")
    for word in words:
        expect(word in lines[0], f"{word!r} is not in {lines[0]!r}")
