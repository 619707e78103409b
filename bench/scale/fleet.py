"""A fleet from a sample of its hosts: which are simulated, how sums become figures, and how sure those are.

Each seed draws a fleet of its own. Its sampled hosts are looked at in different hours, evenly over the day. All
policies see the same calls, so what differs between two of them is the policy.
"""

import dataclasses
import math
import multiprocessing
import signal

import numpy

import host
import workload

# Two-sided 95 % points of Student's t, by degrees of freedom.
STUDENT = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is sampled."""

    hosts: int  # of the fleet
    seeds: tuple
    sampled: int  # hosts, for each seed
    seconds: float  # measured, for each host


@dataclasses.dataclass
class Estimate:
    mean: float
    half_width: float  # of the 95 % interval


def warm_up_s(parameters, policy):
    """What happened longer ago has no effect any more: calls are over, and VMs that waited for another are gone."""
    return policy.keep_alive_s + parameters["calls"]["longest_s"]


def simulate_host(task):
    """All policies on one sampled host."""
    parameters, policies, plan, seed, number = task
    fleet = workload.draw_functions(numpy.random.default_rng([seed, 0]), parameters, plan.hosts)
    random = numpy.random.default_rng([seed, 1, number])
    functions = workload.functions_of_host(random, fleet, plan.hosts)
    functions = workload.at_hour(parameters, functions, 24 * (number + 0.5) / plan.sampled)
    measured_from = max(warm_up_s(parameters, policy) for policy in policies)
    end = measured_from + plan.seconds
    calls = workload.draw_calls(random, parameters, functions, end)
    outcomes = []
    for policy in policies:
        begin = measured_from - warm_up_s(parameters, policy)
        seen = tuple(part[numpy.searchsorted(calls[0], begin) :] for part in calls)
        random = numpy.random.default_rng([seed, 2, number])
        outcomes.append(host.simulate(parameters, functions, seen, policy, measured_from, end, random))
    return seed, outcomes


def ignore_interrupts():
    """Ctrl-C goes to all of a terminal's processes; the one that asked for the work ends the others."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def simulate(parameters, policies, plan, jobs, progress=None):
    """Outcomes of the sampled hosts: one list of [per policy, outcomes] for each seed."""
    tasks = [(parameters, policies, plan, seed, number) for seed in plan.seeds for number in range(plan.sampled)]
    by_seed = {seed: [[] for _ in policies] for seed in plan.seeds}
    with multiprocessing.get_context("fork").Pool(jobs, ignore_interrupts) as pool:
        for done, (seed, outcomes) in enumerate(pool.imap(simulate_host, tasks), 1):
            for place, outcome in zip(by_seed[seed], outcomes):
                place.append(outcome)
            if progress:
                progress(done, len(tasks))
    return [by_seed[seed] for seed in plan.seeds]


def quantile(delays, calls, share):
    """Nearest rank over all calls; those that found a VM waited for 0 s."""
    rank = math.ceil(share * calls) - 1 - (calls - len(delays))
    return float(delays[rank]) if rank >= 0 else 0.0


def figures(parameters, outcomes):
    """What the outcomes of some hosts say about a host of the fleet."""
    seconds = sum(outcome.seconds for outcome in outcomes)
    calls = max(1, sum(outcome.calls for outcome in outcomes))
    delays = numpy.sort(numpy.concatenate([outcome.delays for outcome in outcomes]))
    gib = {
        name: sum(getattr(outcome, name) for outcome in outcomes) / seconds / host.MIB_PER_GIB
        for name in ("busy_mib_s", "idle_mib_s")
    }
    starts = sum(outcome.starts for outcome in outcomes)
    start_cpus = sum(outcome.start_cpu_s for outcome in outcomes) / seconds
    computer = parameters["host"]
    arrived = max(1, sum(outcome.arrived for outcome in outcomes))
    return {
        "backlog": 1 - calls / arrived,
        "calls": calls / seconds,
        "starts": starts / seconds,
        "cold_share": starts / calls,
        "p50_s": quantile(delays, calls, 0.5),
        "p99_s": quantile(delays, calls, 0.99),
        "mean_s": float(delays.sum()) / calls,
        "busy_gib": gib["busy_mib_s"],
        "idle_gib": gib["idle_mib_s"],
        "memory_gib": gib["busy_mib_s"] + gib["idle_mib_s"],
        "start_cpus": start_cpus,
        "pulled_mib_s": sum(outcome.pulled_mib for outcome in outcomes) / seconds,
        "evicted": sum(outcome.evicted for outcome in outcomes) / seconds,
        # Idle memory and start work on one scale: a host's memory for each of its processors.
        "cost_cpus": gib["idle_mib_s"] * computer["cpus"] / computer["memory_gib"] + start_cpus,
    }


def hosts_needed(parameters, plan, found):
    """At the day's peak, by memory or by processors that starts take, whichever is more. Calls' own is left out."""
    peak = 1 + parameters["functions"]["day_amplitude"]
    computer = parameters["host"]
    by_memory = found["memory_gib"] / computer["memory_gib"]
    by_starts = found["start_cpus"] / computer["cpus"]
    return plan.hosts * peak * max(by_memory, by_starts) / computer["memory_fill"]


def estimate(values):
    count = len(values)
    if count < 2:
        return Estimate(values[0], float("nan"))
    spread = float(numpy.std(values, ddof=1)) / math.sqrt(count)
    return Estimate(float(numpy.mean(values)), STUDENT.get(count - 1, 1.96) * spread)


def little_gib(parameters, plan):
    """Memory of running calls on a mean host, without simulation: Little's law over all functions of the fleets."""
    longest_s = parameters["calls"]["longest_s"]
    sums = []
    for seed in plan.seeds:
        fleet = workload.draw_functions(numpy.random.default_rng([seed, 0]), parameters, plan.hosts)
        length_s = fleet.mean_s * (1 - numpy.exp(-longest_s / fleet.mean_s))
        sums.append(float((fleet.rate * length_s * fleet.memory_mib).sum()) / plan.hosts / host.MIB_PER_GIB)
    return sum(sums) / len(sums)


def estimates(parameters, plan, by_seed):
    """For each policy, an Estimate for each figure; the seeds are the independent draws. Ratios are to
    the first policy, within a seed: it had the same calls."""
    result, first = [], None
    for number in range(len(by_seed[0])):
        found = [figures(parameters, seed[number]) for seed in by_seed]
        for each in found:
            each["hosts_needed"] = hosts_needed(parameters, plan, each)
        first = first or found
        for each, reference in zip(found, first):
            each["hosts_ratio"] = each["hosts_needed"] / reference["hosts_needed"]
        result.append({name: estimate([each[name] for each in found]) for name in found[0]})
    return result
