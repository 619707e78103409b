"""What one host does, call by call."""

import bisect

import numpy

import one_host
from kit import case


@case
def a_vm_is_used_again_within_its_time():
    which = one_host.functions()
    outcome = one_host.simulate(
        which, one_host.calls((0, 0, 1), (5, 0, 1), (20, 0, 1)), one_host.policy(keep_alive_s=10.0)
    )
    one_host.equal((outcome.calls, outcome.starts), (3, 2), "calls and starts")
    one_host.close(outcome.idle_mib_s, 100.0 * (4 + 10 + 10), 1e-9, "idle MiB s")
    one_host.close(outcome.busy_mib_s, 300.0, 1e-9, "busy MiB s")


@case
def calls_at_the_same_time_have_a_vm_each():
    outcome = one_host.simulate(
        one_host.functions(), one_host.calls((0, 0, 5), (1, 0, 5)), one_host.policy(keep_alive_s=10.0)
    )
    one_host.equal(outcome.starts, 2, "starts")


@case
def a_call_that_still_runs_counts():
    outcome = one_host.simulate(one_host.functions(), one_host.calls((0, 0, 5000)), one_host.policy(), 400.0, 1000.0)
    one_host.close(outcome.busy_mib_s, 100.0 * 600, 1e-9, "busy MiB s")


@case
def starts_wait_for_a_processor():
    changed = one_host.with_host(host__cpus=1)
    outcome = one_host.simulate(
        one_host.functions(), one_host.calls((0, 0, 1), (0, 0, 1)), one_host.policy(start_s=2.0), changed=changed
    )
    one_host.equal(outcome.delays, [2.0, 4.0], "delays")


@case
def memory_ends_the_longest_idle():
    which = one_host.functions(count=3)
    some = one_host.calls((0, 0, 1), (2, 1, 1), (4, 2, 1), (6, 1, 1))
    outcome = one_host.simulate(which, some, one_host.policy(keep_alive_s=100.0, memory_mib=250.0))
    one_host.equal((outcome.starts, outcome.evicted), (3, 1), "starts and evictions")


@case
def a_call_waits_for_memory():
    some = one_host.calls((0, 0, 10), (1, 0, 1))
    outcome = one_host.simulate(one_host.functions(), some, one_host.policy(memory_mib=150.0))
    one_host.equal(outcome.delays, [0.0, 9.0], "delays")


@case
def an_image_is_pulled_once_for_all_who_wait():
    changed = one_host.with_host(images__lane_mib_per_s=50.0)
    some = one_host.calls((0, 0, 1), (1, 0, 1), (10, 0, 1))
    outcome = one_host.simulate(one_host.functions(), some, one_host.policy(images="whole"), changed=changed)
    one_host.equal((outcome.delays, outcome.pulled_mib), ([2.0, 1.0, 0.0], 100.0), "delays and MiB")


@case
def the_cache_forgets_the_longest_unused_image():
    changed = one_host.with_host(images__cache_gib=250 / 1024)
    some = one_host.calls((0, 0, 1), (10, 1, 1), (20, 0, 1), (30, 2, 1), (40, 0, 1), (50, 1, 1))
    outcome = one_host.simulate(one_host.functions(count=3), some, one_host.policy(images="whole"), changed=changed)
    one_host.equal(outcome.pulled_mib, 400.0, "MiB")


@case
def keep_alive_against_a_second_implementation():
    # With instant starts and no limits a call is warm if the newest VM left idle is young enough: a stack of the times
    # at which VMs became idle tells it.
    which = one_host.functions(count=5, rate=0.4, mean_s=2.0)
    some = one_host.drawn(which, 20_000.0)
    for keep_alive_s in (0.5, 3.0, 20.0):
        outcome = one_host.simulate(which, some, one_host.policy(keep_alive_s=keep_alive_s), 0.0, 20_000.0)
        one_host.equal(outcome.starts, stack_starts(some, 5, keep_alive_s), f"starts with {keep_alive_s} s")


def stack_starts(some_calls, count, keep_alive_s):
    starts = 0
    for function in range(count):
        mine = some_calls[1] == function
        idle_since = []  # in order, the newest last
        running = []
        for at, length in zip(some_calls[0][mine], some_calls[2][mine]):
            while running and running[0] <= at:
                idle_since.append(running.pop(0))
            if idle_since and at - idle_since[-1] < keep_alive_s:
                idle_since.pop()
            else:
                starts += 1
                idle_since.clear()
            bisect.insort(running, at + length)
    return starts


@case
def measured_time_excludes_the_warm_up():
    some = (numpy.array([1.0, 2.0, 500.0]), numpy.array([0, 0, 0]), numpy.array([0.1, 0.1, 0.1]))
    outcome = one_host.simulate(one_host.functions(), some, one_host.policy(start_s=1.0), 100.0, 1000.0)
    one_host.equal((outcome.arrived, outcome.calls, outcome.starts, outcome.start_cpu_s), (1, 1, 1, 1.0), "counts")
