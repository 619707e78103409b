"""The simulations of the page, and what they found."""

import copy
import dataclasses

import fleet
import host

KEEP_ALIVES_S = (0, 1, 10, 60, 600)
OVERLOADED = 0.01  # of the calls still waiting at the end: the host starts fewer VMs than it is asked for
SPREADS = (1, 10, 100)  # hosts that share even the rarest function


@dataclasses.dataclass(frozen=True)
class Case:
    monitor: str
    keep_alive_s: float
    images: str = "lazy"
    has_init: bool = True
    is_limited: bool = False  # to the memory that a host has
    spread: int = 1

    def policy(self, parameters):
        limit_mib = parameters["host"]["memory_gib"] * host.MIB_PER_GIB if self.is_limited else float("inf")
        return host.Policy(
            **parameters["monitors"][self.monitor],
            keep_alive_s=self.keep_alive_s,
            images=self.images,
            has_init=self.has_init,
            memory_mib=limit_mib,
        )


def bare(monitor, keep_alive_s):
    """Nothing but the VM: no image, no runtime, as with a unikernel."""
    return Case(monitor, keep_alive_s, images="none", has_init=False)


def all_cases(monitors, spreads):
    main = [Case(monitor, keep) for monitor in monitors for keep in KEEP_ALIVES_S]
    bares = [
        bare(monitor, keep) for monitor in ("mayfly", "firecracker") if monitor in monitors for keep in KEEP_ALIVES_S
    ]
    limited = [Case("mayfly", keep, is_limited=True) for keep in (60, 600)]
    placed = [
        Case("mayfly", keep, images=images, spread=spread)
        for spread in spreads
        for images in ("lazy", "whole")
        for keep in (0, 600)
    ]
    return list(dict.fromkeys(bares + main + limited + placed))


def with_spread(parameters, spread):
    changed = copy.deepcopy(parameters)
    changed["calls"]["fewest_homes"] = max(spread, parameters["calls"]["fewest_homes"])
    return changed


def run(parameters, plan, jobs, progress, spreads=SPREADS):
    """{Case: {figure: Estimate}}, and how the estimate of one case settles as more hosts are sampled."""
    cases = all_cases(list(parameters["monitors"]), spreads)
    total, found, settling = len(spreads) * plan.sampled * len(plan.seeds), {}, []
    for number, spread in enumerate(spreads):
        mine = [case for case in cases if case.spread == spread]
        changed = with_spread(parameters, spread)
        before = number * plan.sampled * len(plan.seeds)
        outcomes = fleet.simulate(
            changed,
            [case.policy(changed) for case in mine],
            plan,
            jobs,
            lambda done, _, before=before: progress(before + done, total),
        )
        found.update(zip(mine, fleet.estimates(changed, plan, outcomes)))
        if spread == 1:
            settling = settle(changed, plan, outcomes, mine.index(Case("mayfly", 10)))
    return found, settling


def settle(parameters, plan, by_seed, number):
    """[(hosts, Estimate of the cold share)] of more and more of the sampled hosts."""
    counts = sorted({1, (plan.sampled + 1) // 2, plan.sampled})
    return [
        (
            count * len(plan.seeds),
            fleet.estimate([fleet.figures(parameters, seed[number][:count])["cold_share"] for seed in by_seed]),
        )
        for count in counts
    ]


def is_overloaded(figures):
    return figures["backlog"].mean > OVERLOADED
