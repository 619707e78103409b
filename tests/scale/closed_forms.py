"""Where theory knows the answer, the simulation has to find it. Seeds are fixed."""

import math

import numpy

import one_host
import workload
from kit import case

END = 40_000.0


@case
def littles_law():
    which = one_host.functions(rate=2.0, mean_s=3.0, memory_mib=100.0)
    outcome = one_host.simulate(which, one_host.drawn(which, END), one_host.policy(), 100.0, END)
    one_host.close(outcome.busy_mib_s / outcome.seconds, 2.0 * 3.0 * 100.0, 0.03, "MiB in use")


@case
def cold_share_of_a_poisson_function():
    # Calls that are short against their distance: cold when the gap is longer than the keep-alive.
    which = one_host.functions(rate=0.05, mean_s=1e-6)
    outcome = one_host.simulate(
        which, one_host.drawn(which, 400_000.0), one_host.policy(keep_alive_s=30.0), 1000.0, 400_000.0
    )
    one_host.close(outcome.starts / outcome.calls, math.exp(-0.05 * 30.0), 0.05, "cold share")


@case
def idle_memory_of_a_poisson_function():
    # A VM idles for min(gap, keep-alive) after each call, on average (1 - exp(-rate T)) / rate.
    which = one_host.functions(rate=0.05, mean_s=1e-6, memory_mib=100.0)
    outcome = one_host.simulate(
        which, one_host.drawn(which, 400_000.0), one_host.policy(keep_alive_s=30.0), 1000.0, 400_000.0
    )
    one_host.close(outcome.idle_mib_s / outcome.seconds, 100.0 * (1 - math.exp(-1.5)), 0.03, "idle MiB")


@case
def waiting_for_a_pull_is_erlang_c():
    # M/D/c has no such form, so starts take no fixed time here: pulls of images of exponential sizes are M/M/c.
    lanes, rate, mean_s, count = 2, 1.5, 1.0, 60_000
    random = numpy.random.default_rng(3)
    sizes = random.exponential(mean_s, count)
    which = one_host.functions(count=count, rate=1.0)
    which.image_mib = sizes
    changed = one_host.with_host(images__lanes=lanes, images__lane_mib_per_s=1.0)
    at = numpy.cumsum(random.exponential(1 / rate, count))
    some = (at, numpy.arange(count), numpy.full(count, 1e-6))
    outcome = one_host.simulate(which, some, one_host.policy(images="whole"), 0.0, at[-1] + 1000, changed)
    load = rate * mean_s
    top = load**lanes / math.factorial(lanes) * lanes / (lanes - load)
    must_wait = top / (sum(load**k / math.factorial(k) for k in range(lanes)) + top)
    one_host.close(
        numpy.mean(outcome.delays), must_wait / (lanes / mean_s - rate) + mean_s, 0.06, "mean time to a pulled image"
    )


@case
def bursts_keep_the_mean_rate():
    random = numpy.random.default_rng(5)
    found = sum(len(workload.burst_times(random, one_host.PARAMETERS, 1.0, 3600.0)) for _ in range(400))
    one_host.close(found, 400 * 3600.0, 0.04, "calls")


@case
def popular_functions_make_their_share():
    fleet = workload.draw_functions(numpy.random.default_rng(1), one_host.PARAMETERS, 4000)
    busy = fleet.rate > workload.MINUTE
    one_host.close(1 - busy.mean(), 0.81, 0.01, "functions of at most one call a minute")
    one_host.close(1 - fleet.rate[busy].sum() / fleet.rate.sum(), 0.004, 0.1, "their share of calls")


@case
def distributions_are_those_named():
    fleet = workload.draw_functions(numpy.random.default_rng(1), one_host.PARAMETERS, 4000)
    memory = one_host.PARAMETERS["memory"]
    median_mib = memory["burr_scale_mib"] * (2 ** (1 / memory["burr_k"]) - 1) ** (1 / memory["burr_c"])
    one_host.close(numpy.median(fleet.memory_mib), median_mib, 0.01, "median memory")
    one_host.close(numpy.median(fleet.mean_s), math.exp(-0.38), 0.03, "median time")


@case
def sampled_hosts_add_up_to_the_fleet():
    random = numpy.random.default_rng(2)
    fleet = workload.draw_functions(random, one_host.PARAMETERS, 200)
    total = sum(workload.functions_of_host(random, fleet, 200).rate.sum() for _ in range(400)) / 400 * 200
    one_host.close(total, fleet.rate.sum(), 0.1, "calls a second")
