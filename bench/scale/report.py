"""The figures as text: the tables of bench/SCALE.md."""

import math

import experiments


def keep_text(seconds):
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"


def time_text(seconds):
    if seconds < 1e-6:
        return "0"
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.2f} s"


def with_interval(estimate, form="{:.3g}"):
    if math.isnan(estimate.half_width):
        return form.format(estimate.mean)
    return f"{form.format(estimate.mean)} ±{estimate.half_width:.2g}"


def table(head, rows):
    return "\n".join(
        ["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(row) + " |" for row in rows)]
    )


def name_text(case):
    return f"{case.monitor}, bare" if case.images == "none" else case.monitor


def main_row(case, found):
    figures = found[case]
    row = [name_text(case), keep_text(case.keep_alive_s)]
    if experiments.is_overloaded(figures):
        return [*row, f"{figures['cold_share'].mean:.2%}".replace("%", " %"), "overloaded", *[""] * 6]
    return [
        *row,
        f"{figures['cold_share'].mean:.2%}".replace("%", " %"),
        time_text(figures["p50_s"].mean),
        time_text(figures["p99_s"].mean),
        f"{figures['busy_gib'].mean:.1f} + {figures['idle_gib'].mean:.1f}",
        f"{figures['start_cpus'].mean:.2g}",
        with_interval(figures["cost_cpus"]),
        f"{figures['hosts_needed'].mean:,.0f}",
        with_interval(figures["hosts_ratio"]),
    ]


def main_table(found):
    head = [
        "VM",
        "keep-alive",
        "cold",
        "p50",
        "p99",
        "GiB running + idle",
        "processors for starts",
        "price, processors",
        "hosts needed",
        "ratio to the first row",
    ]
    cases = [case for case in found if not case.is_limited and case.spread == 1 and case.images != "whole"]
    return table(head, [main_row(case, found) for case in cases])


def best(found, monitor, is_bare=False):
    """The keep-alive with the lowest price."""
    make = experiments.bare if is_bare else experiments.Case
    cases = [make(monitor, keep) for keep in experiments.KEEP_ALIVES_S]
    return min(
        (case for case in cases if not experiments.is_overloaded(found[case])),
        key=lambda case: found[case]["cost_cpus"].mean,
    )


def image_table(found):
    head = ["hosts that share a function", "images", "keep-alive", "cold", "p99", "MiB/s from the store", "GiB idle"]
    cases = [
        case
        for case in found
        if case.monitor == "mayfly"
        and case.keep_alive_s in (0, 600)
        and case.images in ("lazy", "whole")
        and not case.is_limited
    ]
    return table(
        head,
        [
            [
                str(case.spread),
                case.images,
                keep_text(case.keep_alive_s),
                f"{found[case]['cold_share'].mean:.1%}".replace("%", " %"),
                "overloaded" if experiments.is_overloaded(found[case]) else time_text(found[case]["p99_s"].mean),
                with_interval(found[case]["pulled_mib_s"]),
                f"{found[case]['idle_gib'].mean:.1f}",
            ]
            for case in sorted(cases, key=lambda case: (case.spread, case.images, case.keep_alive_s))
        ],
    )


def limit_table(found):
    head = ["keep-alive", "memory", "cold", "GiB idle", "evictions a second"]
    cases = [experiments.Case("mayfly", keep, is_limited=limited) for keep in (60, 600) for limited in (False, True)]
    return table(
        head,
        [
            [
                keep_text(case.keep_alive_s),
                "the host's" if case.is_limited else "as much as wanted",
                f"{found[case]['cold_share'].mean:.2%}".replace("%", " %"),
                f"{found[case]['idle_gib'].mean:.1f}",
                f"{found[case]['evicted'].mean:.2g}",
            ]
            for case in cases
        ],
    )


def method_lines(found, settling, plan, exact_gib):
    simulated = found[experiments.bare("mayfly", 600)]["busy_gib"]
    lines = [
        f"Fleet of {plan.hosts:,} hosts; {len(plan.seeds)} seeds, {plan.sampled} sampled hosts each, "
        f"{plan.seconds:.0f} s of each measured.",
        f"Memory of running calls: simulated {with_interval(simulated)} GiB a host (VMs' own memory included); "
        f"Little's law {exact_gib:.3g}.",
        "Cold share with 10 s, by sampled hosts: "
        + "; ".join(f"{count}: {with_interval(share)}" for count, share in settling)
        + ".",
    ]
    return "\n".join(lines)
