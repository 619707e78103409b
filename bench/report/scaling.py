"""How a rate grows with what is in flight, as Gunther's universal scalability law has it:

    rate(n) = alone * n / (1 + contention * (n - 1) + coherency * n * (n - 1))

Contention is the share that must wait for its turn; coherency is what each costs each other one.
"""

import dataclasses

import numpy

from wording import number

LEAST_POINTS = 3  # for three unknowns


@dataclasses.dataclass
class Scaling:
    alone: float
    contention: float
    coherency: float

    def at(self, flight):
        return self.alone * flight / (1 + self.contention * (flight - 1) + self.coherency * flight * (flight - 1))

    def in_words(self):
        return f"{number(self.alone)} a second alone, contention {self.contention:.2f}, coherency {self.coherency:.4f}"


def fit_scaling(flights, rates):
    """The law with the least squares of relative errors, and no negative part; None where there are too few points."""
    if len(flights) < LEAST_POINTS:
        return None
    n, rates = numpy.asarray(flights, float), numpy.asarray(rates, float)
    # n / rate is linear in 1 / alone and its products with the other two.
    wanted = n / rates
    parts = numpy.stack([numpy.ones_like(n), n - 1, n * (n - 1)], axis=1) / wanted[:, None]
    for kept in ([0, 1, 2], [0, 1], [0, 2], [0]):
        found = numpy.zeros(3)
        found[kept] = numpy.linalg.lstsq(parts[:, kept], numpy.ones_like(n), rcond=None)[0]
        if found[0] > 0 and min(found) >= 0:
            break
    return Scaling(1 / found[0], found[1] / found[0], found[2] / found[0])
