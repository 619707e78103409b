"""From hosts to the fleet: quantiles, intervals, price, and that a seed says it all."""

import numpy

import fleet
import host
import one_host
from kit import case


def small(seed=1):
    plan = fleet.Plan(hosts=50, seeds=(seed,), sampled=2, seconds=20.0)
    policies = [one_host.policy(start_s=0.001, keep_alive_s=keep) for keep in (0, 60)]
    return fleet.estimates(one_host.PARAMETERS, plan, fleet.simulate(one_host.PARAMETERS, policies, plan, 2))


def means(found):
    return [{name: estimate.mean for name, estimate in each.items()} for each in found]


@case
def a_seed_gives_the_same_figures():
    one_host.equal(means(small()), means(small()), "figures")
    assert means(small(1)) != means(small(2)), "two seeds give the same figures"


@case
def quantiles_count_calls_that_did_not_wait():
    delays = numpy.array([1.0, 2.0])
    one_host.equal(
        [fleet.quantile(delays, 100, share) for share in (0.5, 0.98, 0.99, 1.0)], [0.0, 0.0, 1.0, 2.0], "quantiles"
    )


@case
def interval_is_students():
    found = fleet.estimate([1.0, 2.0, 3.0])
    one_host.close(found.mean, 2.0, 1e-9, "mean")
    one_host.close(found.half_width, 4.303 / 3**0.5, 1e-9, "half width")


@case
def price_adds_memory_and_starts():
    computer = one_host.PARAMETERS["host"]
    idle_gib = computer["memory_gib"] / computer["cpus"]  # as much as one processor's share
    outcome = host.Outcome(10.0, arrived=1, calls=1, idle_mib_s=idle_gib * 1024 * 10, start_cpu_s=20.0)
    found = fleet.figures(one_host.PARAMETERS, [outcome])
    one_host.close(found["cost_cpus"], 1.0 + 2.0, 1e-9, "price")


@case
def hosts_are_counted_by_what_is_short():
    plan = fleet.Plan(hosts=100, seeds=(1,), sampled=1, seconds=1.0)
    changed = one_host.with_host(
        functions__day_amplitude=0.5, host__memory_gib=10.0, host__cpus=10, host__memory_fill=0.5
    )
    one_host.close(fleet.hosts_needed(changed, plan, {"memory_gib": 5.0, "start_cpus": 1.0}), 150.0, 1e-9, "by memory")
    one_host.close(fleet.hosts_needed(changed, plan, {"memory_gib": 5.0, "start_cpus": 8.0}), 240.0, 1e-9, "by starts")
