"""A host with few functions, for the tests."""

import copy

import numpy

import host
import parameters
import workload

PARAMETERS = parameters.read()


def functions(count=1, rate=1.0, mean_s=1.0, memory_mib=100.0, image_mib=100.0, init_s=0.0):
    def same(value):
        return numpy.full(count, value)

    return workload.Functions(
        rate=same(rate),
        homes=same(1.0),
        mean_s=same(mean_s),
        memory_mib=same(memory_mib),
        image_mib=same(image_mib),
        init_s=same(init_s),
        timer=same(False),
        bursty=same(False),
    )


def policy(start_s=0.0, keep_alive_s=0.0, **more):
    return host.Policy(
        **{
            "start_s": start_s,
            "start_cpu_s": start_s,
            "overhead_mib": 0.0,
            "keep_alive_s": keep_alive_s,
            "images": "none",
            "has_init": False,
            **more,
        }
    )


def calls(*triples):
    at, which, length = zip(*triples)
    return numpy.array(at, float), numpy.array(which), numpy.array(length, float)


def drawn(which, end, seed=11):
    return workload.draw_calls(numpy.random.default_rng(seed), PARAMETERS, which, end)


def with_host(**values):
    changed = copy.deepcopy(PARAMETERS)
    for name, value in values.items():
        group, field = name.split("__")
        changed[group][field] = value
    return changed


def simulate(which, some_calls, some_policy, start=0.0, end=1000.0, changed=PARAMETERS):
    return host.simulate(changed, which, some_calls, some_policy, start, end)


def close(found, wanted, share, what):
    assert abs(found - wanted) <= share * abs(wanted), f"{what}: {found:.6g} instead of {wanted:.6g} within {share:.1%}"


def equal(found, wanted, what):
    assert found == wanted, f"{what}: {found!r} instead of {wanted!r}"
