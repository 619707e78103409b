"""The report's numbers are those that mayfly-bench prints. The figures here stand in bench/statistics_test.cpp too."""
import numpy

from kit import case, expect, expect_equal


def module():
    import estimates

    return estimates


SAMPLES = [100 + i * 37 % 101 for i in range(100)]
REFERENCE = [50 + i * 53 % 97 for i in range(100)]
INTERVAL = (1.3804878048780487, 1.7239583333333333)


@case
def median_and_percentiles():
    estimates = module()
    expect_equal(estimates.median([9, 1, 5]), 5, "median of an odd count")
    expect_equal(estimates.median([10, 1, 2, 4]), 3, "median of an even count")
    one_to_300 = list(range(300, 0, -1))
    for percent, wanted in ((99, 297), (50, 150), (100, 300), (0.01, 1), (0, 1)):
        expect_equal(estimates.percentile(one_to_300, percent), wanted, f"percentile {percent}")
    expect_equal(estimates.percentile([2, 8, 4], 99), 8, "p99 of three")


@case
def the_interval_is_the_same_to_the_last_bit():
    expect_equal(module().ratio_interval(SAMPLES, REFERENCE), INTERVAL, "interval")


@case
def random_numbers_are_those_of_the_standard():
    """C++ [rand.predef]: the 10000th value of a default mt19937_64 is 9981545732273789042."""
    estimates = module()
    seed, estimates.SEED = estimates.SEED, 5489
    try:
        numbers = estimates.random_numbers()
        found = numpy.concatenate([next(numbers) for _ in range(33)])[9999]
    finally:
        estimates.SEED = seed
    expect_equal(int(found), 9981545732273789042, "the 10000th number")


@case
def many_samples_are_drawn_in_blocks_alike():
    estimates = module()
    whole = next(estimates.drawn_in_blocks(40, estimates.DRAWS))
    parts = numpy.concatenate(list(estimates.drawn_in_blocks(40, 333)))
    expect(numpy.array_equal(whole, parts), "draws depend on the size of the blocks")
    expect(0 == whole.min() and whole.max() == 39, "draws leave rounds out")


@case
def a_constant_ratio_has_an_interval_of_no_width():
    expect_equal(module().ratio_interval([3 * value for value in REFERENCE], REFERENCE), (3.0, 3.0), "interval")


@case
def the_line_that_fits():
    estimates = module()
    slope, rest = estimates.line_fit([1, 2, 4], [13, 23, 43])
    expect(abs(slope - 10) < 1e-9 and abs(rest - 3) < 1e-9, f"10 x + 3 is fitted as {slope} x + {rest}")
    expect_equal(estimates.line_fit([5, 5], [1, 2]), None, "a line through one place")


@case
def the_scaling_law_is_found_again():
    from scaling import Scaling, fit_scaling

    flights = [1, 2, 4, 8, 16, 32, 64]
    for law in (Scaling(800, 0.3, 0.002), Scaling(1000, 0.5, 0), Scaling(50, 0, 0)):
        found = fit_scaling(flights, [law.at(flight) for flight in flights])
        for wanted, value in (
            (law.alone, found.alone),
            (law.contention, found.contention),
            (law.coherency, found.coherency),
        ):
            expect(abs(wanted - value) < 1e-6 * max(1, wanted), f"{law}: {found}")
    # More than in proportion: no part gets negative.
    found = fit_scaling([1, 2, 4], [100, 250, 600])
    expect(found.contention >= 0 and found.coherency >= 0, found)
    expect(fit_scaling([1, 2], [1, 2]) is None, "two points have no law")
