"""Medians, intervals and fits, against what they are by definition."""

import random

from kit import case
from mayfly_bench import statistics

REFERENCE = [50 + i * 53 % 97 for i in range(100)]


def shuffled_one_to(last):
    samples = [float(value) for value in range(1, last + 1)]
    random.Random(7).shuffle(samples)
    return samples


@case
def median():
    assert statistics.median([9, 1, 5]) == 5
    assert statistics.median([10, 1, 2, 4]) == 3
    assert statistics.median([3.5]) == 3.5


@case
def percentile_is_a_nearest_rank():
    samples = shuffled_one_to(300)
    for percent, wanted in ((99, 297), (50, 150), (100, 300), (0.01, 1), (0, 1)):
        assert statistics.percentile(samples, percent) == wanted, percent
    assert statistics.percentile([2, 8, 4], 99) == 8
    assert statistics.percentile([3.5], 99) == 3.5


@case
def samples_are_left_in_their_order():
    before = shuffled_one_to(20)
    samples = list(before)
    statistics.median(samples)
    statistics.percentile(samples, 90)
    statistics.ratio_interval(samples, samples)
    assert samples == before


@case
def a_constant_ratio_has_an_interval_of_no_width():
    assert statistics.ratio_interval([3 * value for value in REFERENCE], REFERENCE) == (3.0, 3.0)
    assert statistics.ratio_interval([6], [2]) == (3.0, 3.0)


def noisy(generator, count, scale):
    return [scale * generator.gauss(1, 0.1) for _ in range(count)]


@case
def the_interval_holds_the_ratio_and_narrows_with_more_samples():
    generator = random.Random(1)
    few = statistics.ratio_interval(noisy(generator, 30, 200), noisy(generator, 30, 100))
    many = statistics.ratio_interval(noisy(generator, 3000, 200), noisy(generator, 3000, 100))
    assert many.low < 2 < many.high, many
    assert 0.001 < many.high - many.low < (few.high - few.low) / 3, (few, many)


@case
def nineteen_of_twenty_intervals_hold_the_ratio():
    generator = random.Random(2)
    held = 0
    for _ in range(100):
        low, high = statistics.ratio_interval(noisy(generator, 40, 200), noisy(generator, 40, 100))
        held += low <= 2 <= high
    assert 88 <= held <= 100, held


@case
def the_interval_repeats():
    samples, reference = shuffled_one_to(50), [10.0] * 50
    first = statistics.ratio_interval(samples, reference)
    assert first == statistics.ratio_interval(samples, reference) and first.low < first.high


@case
def whole_rounds_are_drawn():
    """A drift that falls on both does not widen the interval."""
    drift = [1 + i / 10 for i in range(100)]
    both = statistics.ratio_interval([200 * one for one in drift], [100 * one for one in drift])
    assert max(abs(end - 2) for end in both) < 1e-9, both


@case
def draws_take_all_rounds_and_stay_few_for_a_long_series():
    assert len(statistics.draws_of(40)) == statistics.DRAWS
    drawn = {one for draw in statistics.draws_of(40) for one in draw(range(40))}
    assert drawn == set(range(40)), drawn
    long = sum(1 for _ in statistics.draws_of(6000))
    assert long == statistics.MOST_NUMBERS // 6000 and long >= statistics.LEAST_DRAWS, long


@case
def the_line_that_fits():
    fit = statistics.line_fit([1, 2, 4], [13, 23, 43])
    assert abs(fit.slope - 10) < 1e-9 and abs(fit.at_zero - 3) < 1e-9 and abs(fit.r_squared - 1) < 1e-9, fit
    flat = statistics.line_fit([1, 2, 3], [7, 7, 7])
    assert flat.slope == 0 and flat.r_squared == 1, flat
    # By hand: slope 1/2, at zero 4/3, and 1/4 of 2/3 and 1/2 explained.
    loose = statistics.line_fit([1, 2, 3], [2, 2, 3])
    assert abs(loose.slope - 0.5) < 1e-9 and abs(loose.r_squared - 0.75) < 1e-9, loose
    assert statistics.line_fit([5, 5], [1, 2]) is None


@case
def the_scaling_law_is_found_again():
    flights = [1, 2, 4, 8, 16, 32, 64]
    for law in (statistics.Scaling(800, 0.3, 0.002), statistics.Scaling(1000, 0.5, 0), statistics.Scaling(50, 0, 0)):
        found = statistics.fit_scaling(flights, [law.at(flight) for flight in flights])
        for wanted, value in zip(law, found):
            assert abs(wanted - value) < 1e-6 * max(1, wanted), f"{law}: {found}"
    # More than in proportion: no part gets negative.
    found = statistics.fit_scaling([1, 2, 4], [100, 250, 600])
    assert found.contention >= 0 and found.coherency >= 0, found
    assert statistics.fit_scaling([1, 2], [1, 2]) is None
