"""What is reported of a series of samples. The same as bench/statistics.cpp computes, number for number, so that
a report says what the run's own table said."""

import functools
import math

import numpy

DRAWS = 2000
SEED = 20221
WORDS, MIDDLE = 312, 156  # of MT19937-64 (Matsumoto and Nishimura), which std::mt19937_64 is
TWIST = numpy.uint64(0xB5026F5AA96619E9)
UPPER, LOWER = numpy.uint64(0xFFFFFFFF80000000), numpy.uint64(0x7FFFFFFF)
ONE = numpy.uint64(1)


def percentile(samples, percent):
    """The smallest sample such that at least `percent` of all are not above it (nearest rank)."""
    ordered = numpy.sort(samples)
    rank = math.ceil(percent / 100 * len(ordered))
    return float(ordered[min(max(rank, 1), len(ordered)) - 1])


def median(samples):
    """The middle sample, or the mean of the two middle ones."""
    return float(numpy.median(samples))


def ratio_interval(samples, reference):
    """The 95 % bootstrap interval of median(samples) / median(reference): whole rounds are drawn with replacement."""
    samples, reference = numpy.asarray(samples, float), numpy.asarray(reference, float)
    ratios = numpy.concatenate(
        [
            numpy.median(samples[rounds], axis=1) / numpy.median(reference[rounds], axis=1)
            for rounds in drawn_rounds(len(samples))
        ]
    )
    return percentile(ratios, 2.5), percentile(ratios, 97.5)


def line_fit(x, y):
    """Slope and intercept by least squares; None where all x are the same."""
    x, y = numpy.asarray(x, float), numpy.asarray(y, float)
    spread = numpy.sum((x - x.mean()) ** 2)
    if spread == 0:
        return None
    slope = float(numpy.sum((x - x.mean()) * (y - y.mean())) / spread)
    return slope, float(y.mean() - slope * x.mean())


@functools.lru_cache(maxsize=2)
def few_rounds(count):
    return [next(drawn_in_blocks(count, DRAWS))]


def drawn_rounds(count):
    """Blocks of draws, each draw the indices of `count` rounds. Short ones are the same for every figure and kept."""
    most_numbers = 1 << 22
    if count * DRAWS <= most_numbers:
        return few_rounds(count)
    return drawn_in_blocks(count, max(1, most_numbers // count))


def drawn_in_blocks(count, block):
    numbers = random_numbers()
    left = numpy.empty(0, numpy.uint64)
    for done in range(0, DRAWS, block):
        wanted = min(block, DRAWS - done) * count
        parts = [left]
        while sum(map(len, parts)) < wanted:
            parts.append(next(numbers))
        together = numpy.concatenate(parts)
        left = together[wanted:]
        yield below(together[:wanted], count).reshape(-1, count)


def below(numbers, bound):
    """The upper half of number * bound, as std::uniform_int_distribution takes it. (It draws again once in
    2^64 / bound numbers.)"""
    half, bound = numpy.uint64(32), numpy.uint64(bound)
    low = (numbers & numpy.uint64(0xFFFFFFFF)) * bound >> half
    return ((numbers >> half) * bound + low >> half).astype(numpy.intp)


def random_numbers():
    """MT19937-64 from SEED, in arrays of WORDS numbers."""
    seeded = [SEED]
    for i in range(1, WORDS):
        seeded.append((6364136223846793005 * (seeded[-1] ^ seeded[-1] >> 62) + i) % (1 << 64))
    state = numpy.array(seeded, numpy.uint64)
    while True:
        # A word needs the next one and the one MIDDLE further on: the first half is made of old words alone.
        following = numpy.append(state[1:], numpy.uint64(0))
        state[:MIDDLE] = state[MIDDLE:] ^ twisted(state[:MIDDLE], following[:MIDDLE])
        following[-1] = state[0]
        state[MIDDLE:] = state[:MIDDLE] ^ twisted(state[MIDDLE:], following[MIDDLE:])
        yield tempered(state)


def twisted(word, following):
    mixed = (word & UPPER) | (following & LOWER)
    return mixed >> ONE ^ (mixed & ONE) * TWIST


def tempered(x):
    x = x ^ (x >> numpy.uint64(29) & numpy.uint64(0x5555555555555555))
    x = x ^ (x << numpy.uint64(17) & numpy.uint64(0x71D67FFFEDA60000))
    x = x ^ (x << numpy.uint64(37) & numpy.uint64(0xFFF7EEE000000000))
    return x ^ x >> numpy.uint64(43)
