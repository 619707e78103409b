"""What is reported of a series of samples. All of mayfly-bench's statistics, with plain Python alone."""

import functools
import math
import operator
import random
import typing

DRAWS = 2000
LEAST_DRAWS = 200
MOST_NUMBERS = 3_000_000  # drawn for one interval: so that a very long series takes seconds, not minutes
SEED = 20221


class Interval(typing.NamedTuple):
    low: float
    high: float


class LineFit(typing.NamedTuple):
    slope: float
    at_zero: float
    r_squared: float


def percentile(samples, percent):
    """The smallest sample such that at least `percent` of all are not above it (nearest rank): one that was measured."""
    in_order = sorted(samples)
    rank = math.ceil(percent / 100 * len(in_order))
    return float(in_order[min(max(rank, 1), len(in_order)) - 1])


def median(samples):
    """The middle sample, or the mean of the two middle ones."""
    return middle(sorted(samples))


def middle(in_order):
    half = len(in_order) // 2
    return float(in_order[half]) if len(in_order) % 2 else (in_order[half - 1] + in_order[half]) / 2


def ratio(samples, reference):
    return median(samples) / median(reference)


def ratio_interval(samples, reference):
    """The 95 % bootstrap interval of median(samples) / median(reference).

    samples[i] and reference[i] were measured in the same round, and whole rounds are drawn with replacement, so that a
    drift of the machine, which falls on both, does not widen the interval. The same samples give the same interval."""
    ratios = [median(draw(samples)) / median(draw(reference)) for draw in draws_of(len(samples))]
    return Interval(percentile(ratios, 2.5), percentile(ratios, 97.5))


@functools.lru_cache(maxsize=2)
def few_draws(count):
    return list(new_draws(count))


def draws_of(count):
    """Functions that pick rounds from a series of `count`. Short ones are the same for every figure, and kept."""
    return few_draws(count) if count * DRAWS <= MOST_NUMBERS // 2 else new_draws(count)


def new_draws(count):
    generator = random.Random(SEED)
    if count == 1:
        yield from [lambda series: series] * DRAWS
        return
    for _ in range(max(LEAST_DRAWS, min(DRAWS, MOST_NUMBERS // count))):
        yield operator.itemgetter(*generator.choices(range(count), k=count))


def line_fit(x, y):
    """Least squares; None where all x are the same."""
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    xx = sum((one - mean_x) ** 2 for one in x)
    yy = sum((one - mean_y) ** 2 for one in y)
    xy = sum((one - mean_x) * (other - mean_y) for one, other in zip(x, y))
    if xx == 0:
        return None
    slope = xy / xx
    return LineFit(slope, mean_y - slope * mean_x, 1 if yy == 0 else xy * xy / (xx * yy))


class Scaling(typing.NamedTuple):
    """How a rate grows with what is in flight, as Gunther's universal scalability law has it:

        rate(n) = alone * n / (1 + contention * (n - 1) + coherency * n * (n - 1))

    Contention is the share that must wait for its turn; coherency is what each costs each other one."""

    alone: float
    contention: float
    coherency: float

    def at(self, flight):
        return self.alone * flight / (1 + self.contention * (flight - 1) + self.coherency * flight * (flight - 1))


LEAST_POINTS = 3  # for three unknowns


def fit_scaling(flights, rates):
    """The law with the least squares of relative errors, and no negative part; None where there are too few points."""
    if len(flights) < LEAST_POINTS:
        return None
    # n / rate is linear in 1 / alone and its products with the other two.
    rows = [[rate / n * part for part in (1, n - 1, n * (n - 1))] for n, rate in zip(flights, rates)]
    for kept in ((0, 1, 2), (0, 1), (0, 2), (0,)):
        found = [0.0, 0.0, 0.0]
        for at, value in zip(kept, least_squares([[row[at] for at in kept] for row in rows])):
            found[at] = value
        if found[0] > 0 and min(found) >= 0:
            break
    return Scaling(1 / found[0], found[1] / found[0], found[2] / found[0])


def least_squares(rows):
    """The x for which all row * x are closest to 1. By QR (modified Gram-Schmidt), which keeps its digits."""
    columns = [list(column) for column in zip(*rows)]
    rest, right, upper = [1.0] * len(rows), [], {}
    for at, column in enumerate(columns):
        for before in range(at):
            upper[before, at] = dot(columns[before], column)
            column[:] = [one - upper[before, at] * other for one, other in zip(column, columns[before])]
        upper[at, at] = math.sqrt(dot(column, column)) or 1.0
        column[:] = [one / upper[at, at] for one in column]
        right.append(dot(column, rest))
        rest = [one - right[at] * other for one, other in zip(rest, column)]
    found = [0.0] * len(columns)
    for at in reversed(range(len(columns))):
        known = sum(upper[at, after] * found[after] for after in range(at + 1, len(columns)))
        found[at] = (right[at] - known) / upper[at, at]
    return found


def dot(one, other):
    return math.fsum(map(operator.mul, one, other))
