"""The fleet's functions, and when each is called on one host.

A fleet is drawn as a whole: every function with its rate, mean time, memory, image and number of homes. A function
that one host should not serve alone (`busy_per_home`, `rate_per_home`) lives on several, and a call goes to any of
them alike. So a host sees a thinned stream of each of its functions, and can be simulated without the others.
"""

import dataclasses

import numpy

DAY_S = 86400.0
HOUR, MINUTE = 1 / 3600, 1 / 60  # 1/s


@dataclasses.dataclass
class Functions:
    """One array per property, one element per function."""

    rate: numpy.ndarray  # 1/s, in the whole fleet, mean of a day
    homes: numpy.ndarray
    mean_s: numpy.ndarray
    memory_mib: numpy.ndarray
    image_mib: numpy.ndarray
    init_s: numpy.ndarray
    timer: numpy.ndarray
    bursty: numpy.ndarray

    def __len__(self):
        return len(self.rate)

    def chosen(self, which):
        return Functions(*(getattr(self, field.name)[which] for field in dataclasses.fields(self)))


def log_uniform(random, lowest, highest, count):
    return lowest * (highest / lowest) ** random.random(count)


def log_uniform_mean(lowest, highest):
    return (highest - lowest) / numpy.log(highest / lowest)


def tail_mean(exponent, highest):
    """Mean of a Pareto distribution from one call a minute, cut at `highest`."""
    span = highest / MINUTE
    kept = 1 - span**-exponent
    return MINUTE * exponent * (span ** (1 - exponent) - 1) / (1 - exponent) / kept


def tail_exponent(parameters):
    """The exponent with which functions above one call a minute make the share of calls that they should."""
    functions = parameters["functions"]
    hourly, minutely = functions["at_most_hourly_share"], functions["at_most_minutely_share"]
    highest = functions["lowest_rate"] * 10 ** functions["rate_decades"]
    rare = hourly * log_uniform_mean(functions["lowest_rate"], HOUR) + (minutely - hourly) * log_uniform_mean(
        HOUR, MINUTE
    )
    share = functions["busy_invocation_share"]
    wanted = rare * share / (1 - share) / (1 - minutely)
    flat, steep = 0.01, 0.999  # the mean falls as the exponent grows
    for _ in range(60):
        middle = (flat + steep) / 2
        flat, steep = (middle, steep) if tail_mean(middle, highest) > wanted else (flat, middle)
    return flat


def draw_rates(random, parameters, count):
    functions = parameters["functions"]
    where = random.random(count)
    rates = log_uniform(random, functions["lowest_rate"], HOUR, count)
    rates = numpy.where(where > functions["at_most_hourly_share"], log_uniform(random, HOUR, MINUTE, count), rates)
    exponent = tail_exponent(parameters)
    span = functions["lowest_rate"] * 10 ** functions["rate_decades"] / MINUTE
    tail = MINUTE * (1 - random.random(count) * (1 - span**-exponent)) ** (-1 / exponent)
    return numpy.where(where > functions["at_most_minutely_share"], tail, rates)


def draw_functions(random, parameters, hosts):
    functions, calls, memory, images = (parameters[name] for name in ("functions", "calls", "memory", "images"))
    count = functions["per_host"] * hosts
    rate = draw_rates(random, parameters, count)
    mean_s = numpy.minimum(
        numpy.exp(random.normal(calls["log_mean"], calls["log_sigma"], count)), calls["longest_average_s"]
    )
    burr = (random.random(count) ** (-1 / memory["burr_k"]) - 1) ** (1 / memory["burr_c"])
    image = images["median_mib"] * numpy.exp(random.normal(0, images["log_sigma"], count))
    homes = numpy.ceil(numpy.maximum(rate * mean_s / calls["busy_per_home"], rate / calls["rate_per_home"]))
    timer = (rate <= MINUTE) & (random.random(count) < functions["timer_share"])
    return Functions(
        rate=rate,
        mean_s=mean_s,
        timer=timer,
        homes=numpy.clip(homes, min(calls["fewest_homes"], hosts), hosts),
        memory_mib=numpy.minimum(memory["burr_scale_mib"] * burr, memory["largest_mib"]),
        image_mib=numpy.minimum(image, images["largest_mib"]),
        init_s=random.choice(parameters["runtime"]["init_s"], count, p=parameters["runtime"]["init_share"]),
        bursty=~timer & (random.random(count) < functions["bursty_share"]),
    )


def functions_of_host(random, fleet, hosts):
    """Those that live on one host, each with the part of its rate that comes here."""
    here = fleet.chosen(random.random(len(fleet)) < fleet.homes / hosts)
    return dataclasses.replace(here, rate=here.rate / here.homes)


def day_factor(parameters, hour):
    """The rate at this hour over the day's mean; the peak is at 14:00."""
    return 1 + parameters["functions"]["day_amplitude"] * numpy.cos(2 * numpy.pi * (hour - 14) / 24)


def at_hour(parameters, functions, hour):
    """Timers do not follow the day."""
    return dataclasses.replace(
        functions, rate=functions.rate * numpy.where(functions.timer, 1, day_factor(parameters, hour))
    )


def poisson_times(random, rate, start, end):
    return start + (end - start) * random.random(random.poisson(rate * (end - start)))


def burst_times(random, parameters, rate, end):
    """On and off for exponential times; in between, calls at the rate that keeps the mean."""
    functions = parameters["functions"]
    share, burst_s = functions["burst_on_share"], functions["burst_s"]
    quiet_s = burst_s * (1 - share) / share
    at, is_on, parts = 0.0, random.random() < share, []
    while at < end:
        until = at + random.exponential(burst_s if is_on else quiet_s)
        if is_on:
            parts.append(poisson_times(random, rate / share, at, min(until, end)))
        at, is_on = until, not is_on
    return numpy.concatenate(parts) if parts else numpy.empty(0)


def call_times(random, parameters, functions, index, end):
    rate = functions.rate[index]
    if functions.timer[index]:
        return numpy.arange(random.random() / rate, end, 1 / rate)
    if functions.bursty[index]:
        return burst_times(random, parameters, rate, end)
    return poisson_times(random, rate, 0.0, end)


def draw_calls(random, parameters, functions, end):
    """All calls of a host from 0 to `end` s, in order: times, the function of each, and how long it runs."""
    times = [call_times(random, parameters, functions, index, end) for index in range(len(functions))]
    which = numpy.repeat(numpy.arange(len(functions)), [len(part) for part in times])
    at = numpy.concatenate(times) if times else numpy.empty(0)
    order = numpy.argsort(at, kind="stable")
    at, which = at[order], which[order]
    length = numpy.minimum(random.exponential(functions.mean_s[which]), parameters["calls"]["longest_s"])
    return at, which, length
