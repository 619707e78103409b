"""One host, event by event, on SimPy: VMs are started, run calls, wait for the next one, and are ended."""

import collections
import dataclasses

import numpy
import simpy

MIB_PER_GIB = 1024


@dataclasses.dataclass
class Policy:
    """What is varied between simulations of the same calls."""

    start_s: float
    start_cpu_s: float
    overhead_mib: float
    keep_alive_s: float
    images: str  # "none": on every host; "lazy": what is read and not here; "whole": all of it, before the start
    has_init: bool = True
    memory_mib: float = float("inf")


@dataclasses.dataclass
class Vm:
    function: int
    memory_mib: float
    idle_since: float = 0.0


class Level:
    """An amount that steps up and down, and its integral over the measured time."""

    def __init__(self, environment, measured_from):
        self.environment, self.since = environment, measured_from
        self.amount = self.area = 0.0

    def change(self, by):
        if self.environment.now > self.since:
            self.area += self.amount * (self.environment.now - self.since)
            self.since = self.environment.now
        self.amount += by


@dataclasses.dataclass
class Outcome:
    """Sums over the measured time of one host."""

    seconds: float
    arrived: int = 0
    calls: int = 0  # of those, the ones that began to run
    starts: int = 0
    evicted: int = 0
    busy_mib_s: float = 0.0
    idle_mib_s: float = 0.0
    pulled_mib: float = 0.0
    start_cpu_s: float = 0.0
    delays: list = dataclasses.field(default_factory=list)  # of the calls that waited at all


class Host:
    def __init__(self, environment, parameters, functions, policy, measured_from):
        self.environment, self.functions, self.policy, self.measured_from = (
            environment,
            functions,
            policy,
            measured_from,
        )
        self.images = parameters["images"]
        self.starts = simpy.Resource(environment, parameters["host"]["cpus"])
        self.pulls = simpy.Resource(environment, self.images["lanes"])
        self.idle_of = collections.defaultdict(list)  # per function, the most recently used last
        self.idle = collections.OrderedDict()  # all of them, the longest idle first
        self.waiting = collections.deque()  # for memory: (event, MiB)
        self.cached = collections.OrderedDict()  # function -> MiB of its image here, the longest unused first
        self.pulling = {}  # function -> event
        self.cached_mib = 0.0
        self.busy = Level(environment, measured_from)
        self.resting = Level(environment, measured_from)
        self.outcome = Outcome(0.0)

    def counts(self):
        return self.environment.now >= self.measured_from

    def call(self, function, length_s):
        arrived = self.environment.now
        vm = self.idle_vm(function)
        is_cold, is_counted = vm is None, self.counts()
        self.outcome.arrived += is_counted
        if is_cold:
            vm = Vm(function, self.functions.memory_mib[function] + self.policy.overhead_mib)
            yield from self.take_memory(vm.memory_mib)
            yield from self.start(function)
        if is_counted:
            self.outcome.calls += 1
            self.outcome.starts += is_cold
            if is_cold:
                self.outcome.delays.append(self.environment.now - arrived)
        self.touch_image(function)
        yield self.environment.timeout(length_s)
        self.rest(vm)

    def start(self, function):
        policy = self.policy
        if policy.images == "whole":
            yield from self.pull(function)
        with self.starts.request() as slot:
            yield slot
            yield self.environment.timeout(policy.start_s)
        if policy.images == "lazy":
            yield from self.pull(function)
        init_s = self.functions.init_s[function] if policy.has_init else 0.0
        if init_s:
            yield self.environment.timeout(init_s)
        if self.counts():
            self.outcome.start_cpu_s += policy.start_cpu_s + init_s

    def pull(self, function):
        if function in self.cached:
            return
        if function in self.pulling:  # one pull serves all who wait for the image
            yield self.pulling[function]
            return
        arrived = self.pulling[function] = self.environment.event()
        missing_mib = self.image_mib(function)
        with self.pulls.request() as lane:
            yield lane
            yield self.environment.timeout(missing_mib / self.images["lane_mib_per_s"])
        if self.counts():
            self.outcome.pulled_mib += missing_mib
        self.touch_image(function)
        del self.pulling[function]
        arrived.succeed()

    def image_mib(self, function):
        share = self.images["read_share"] * (1 - self.images["local_share"]) if self.policy.images == "lazy" else 1.0
        return self.functions.image_mib[function] * share

    def touch_image(self, function):
        if self.policy.images == "none":
            return
        if function not in self.cached:
            self.cached[function] = self.image_mib(function)
            self.cached_mib += self.cached[function]
        self.cached.move_to_end(function)
        while self.cached_mib > self.images["cache_gib"] * MIB_PER_GIB and len(self.cached) > 1:
            self.cached_mib -= self.cached.popitem(last=False)[1]

    def fill_cache(self, random):
        """The cache as a long past would have left it: a Poisson function's last use lies an exponential time back."""
        rate = self.functions.rate
        order = numpy.argsort(-random.exponential(1 / rate))
        for function in order:
            self.touch_image(int(function))

    def idle_vm(self, function):
        if not self.idle_of[function]:
            return None
        vm = self.idle_of[function].pop()
        del self.idle[id(vm)]
        self.resting.change(-vm.memory_mib)
        self.busy.change(vm.memory_mib)
        return vm

    def rest(self, vm):
        self.busy.change(-vm.memory_mib)
        if self.policy.keep_alive_s > 0:
            vm.idle_since = self.environment.now
            self.idle_of[vm.function].append(vm)
            self.idle[id(vm)] = vm
            self.resting.change(vm.memory_mib)
        self.serve_waiting()

    def end_longest_idle(self):
        _, vm = self.idle.popitem(last=False)
        self.idle_of[vm.function].remove(vm)
        self.resting.change(-vm.memory_mib)

    def sweep(self):
        """Ends VMs whose time is over. All have the same, so the longest idle is always the next."""
        keep_alive_s = self.policy.keep_alive_s
        while True:
            while self.idle and self.longest_idle().idle_since + keep_alive_s <= self.environment.now:
                self.end_longest_idle()
                self.serve_waiting()
            left_s = self.longest_idle().idle_since + keep_alive_s - self.environment.now if self.idle else keep_alive_s
            yield self.environment.timeout(left_s)

    def longest_idle(self):
        return next(iter(self.idle.values()))

    def fits(self, mib):
        limit_mib = self.policy.memory_mib
        while self.idle and self.busy.amount + self.resting.amount + mib > limit_mib:
            self.end_longest_idle()
            self.outcome.evicted += self.counts()
        return self.busy.amount + self.resting.amount + mib <= limit_mib

    def take_memory(self, mib):
        if not self.waiting and self.fits(mib):
            self.busy.change(mib)
            return
        event = self.environment.event()
        self.waiting.append((event, mib))
        yield event

    def serve_waiting(self):
        while self.waiting and self.fits(self.waiting[0][1]):
            event, mib = self.waiting.popleft()
            self.busy.change(mib)
            event.succeed()


def arrivals(environment, host, calls):
    for at, function, length_s in zip(*(part.tolist() for part in calls)):
        yield environment.timeout(max(0.0, at - environment.now))
        environment.process(host.call(function, length_s))


def simulate(parameters, functions, calls, policy, measured_from, end, random=None):
    """Runs the calls (times, functions, lengths) through one host; what is before `measured_from` only warms it up."""
    environment = simpy.Environment(initial_time=min(measured_from, calls[0][0] if len(calls[0]) else 0.0))
    host = Host(environment, parameters, functions, policy, measured_from)
    if random is not None:
        host.fill_cache(random)
    environment.process(arrivals(environment, host, calls))
    if policy.keep_alive_s > 0:
        environment.process(host.sweep())
    environment.run(until=end)
    for level in (host.busy, host.resting):
        level.change(0.0)
    host.outcome.busy_mib_s, host.outcome.idle_mib_s = host.busy.area, host.resting.area
    host.outcome.seconds = end - measured_from
    return host.outcome
