"""What it costs to be told by an API what to run."""

import os

from .. import flags, places, scratch, signals, smaps, tap
from ..failure import of_os_error
from ..probe import GIVEN_FD, Contestant, Crew, first_line, program, take_rounds
from ..results import recorded
from ..tables import print_table, ratio_with_interval, times
from .memory import SETTLE_S
from .startup import DISK_BYTES, started

SUMMARY = "What it costs to be told by an API what to run. As root the guest has a NIC, else a drive alone."
TAP = "mfbench2"
RAM_MIB = 128
MACHINE = f'{{"vcpu_count":1,"mem_size_mib":{RAM_MIB}}}'
GUEST = "unikernel"
GET = {"method": "GET", "path": "/", "body": "", "expected": 200}


def add_flags(parser):
    parser.runs(300, 20)
    help = "requests of each kind on one kept connection (default 500)"
    parser.flag("--requests", help, type=flags.number(1, 100_000), default=500)
    parser.programs("mayfly", "mayfly-floor")
    help = "the guest (default: the unikernel of the same build)"
    parser.flag("--kernel", help, metavar="FILE", default=str(places.UNIKERNEL))
    parser.results()


def put(path, body):
    return {"method": "PUT", "path": path, "body": body, "expected": 204}


def start_requests(kernel, boot_args, drive=None, nic=None):
    """What configures a VM and starts it, in the order of a client: the last is InstanceStart."""
    requests = [
        put("/boot-source", f'{{"kernel_image_path":"{kernel}","boot_args":"{boot_args}"}}'),
        put("/machine-config", MACHINE),
    ]
    if drive:
        body = f'{{"drive_id":"disk","is_root_device":false,"path_on_host":"{drive}"}}'
        requests.append(put("/drives/disk", body))
    if nic:
        requests.append(put("/network-interfaces/eth0", f'{{"iface_id":"eth0","host_dev_name":"{nic}"}}'))
    return [*requests, put("/actions", '{"action_type":"InstanceStart"}')]


class Monitor:
    """Mayfly with its API at a socket in `folder`."""

    def __init__(self, options, folder):
        self.path, self.folder = options.mayfly, folder

    def program(self, name="mayfly", socket="api.sock"):
        return program(name, [self.path, "--api-sock", self.socket(socket), "--ready-fd", GIVEN_FD])

    def socket(self, name="api.sock"):
        return f"{self.folder}/{name}"

    def contestant(self, name, way, requests, **more):
        return Contestant(name, way, self.program(), socket=self.socket(), requests=requests, **more)


def run(options, arguments):
    flags.check_usable("--mayfly", options.mayfly)
    flags.check_usable("--floor", options.floor)
    flags.check_usable("--kernel", options.kernel, os.R_OK)
    flags.check_kvm()
    with scratch.memory_folder() as folder, recorded(options, "api", arguments, "floor") as results:
        monitor = Monitor(options, folder)
        results.program(program("floor", [options.floor]), GUEST, "")
        results.program(monitor.program(), GUEST, first_line(options.mayfly) if options.results else "")
        with tap.if_allowed(TAP) as nic:
            requests = start_requests(options.kernel, "quiet", make_disk(folder), nic)
            measure_rounds(options, monitor, requests, results)
        measure_answers(options, monitor, results)
        measure_memory(options, monitor, results)


def make_disk(folder):
    """With a path: the API's thread may not look into other processes, as a file of ours would have it."""
    path = f"{folder}/disk"
    try:
        with open(path, "xb") as file:
            file.truncate(DISK_BYTES)
    except OSError as error:
        raise of_os_error(path, error) from None
    return path


def measure_rounds(options, monitor, requests, results):
    floor = started("floor", [options.floor])
    ready = monitor.contestant("mayfly, waited for", "API ready", [GET])
    start = monitor.contestant("mayfly, given a VM", "API start", requests)
    failure = take_rounds([floor, ready, start], options.runs, options.warm_up, title="api")
    if floor.values:
        base, whole = floor.column(0), f"{len(requests)} requests, first output"
        figures = {"API ready": ready.column(0), "GET / answered": ready.column(1), whole: start.column(-1)}
        each = {request["path"]: start.column(at) for at, request in enumerate(requests)}
        print_rounds(base, figures, each)
        results.samples("floor", GUEST, "first output", "us", base)
        for name, samples in figures.items():
            results.samples(name, GUEST, "first output", "us", samples)
        for path, samples in each.items():
            results.samples("mayfly", GUEST, f"PUT {path}", "us", samples)
    if failure:
        raise failure


def print_rounds(floor, figures, each):
    print(f"us, {len(floor)} runs each; floors: ratio of medians to the first line, with its 95 % interval")
    rows = [["floor, first output", *times(floor), *ratio_with_interval(floor, floor)]]
    for name, samples in figures.items():
        if name.endswith("requests, first output"):
            rows.append(["from the first request"])
        rows.append([name, *times(samples), *ratio_with_interval(samples, floor)])
    rows += [[f"  {path}", *times(samples)] for path, samples in each.items()]
    print_table(["from spawn", "median", "p99", "min", "floors", ""], rows)
    print(end="", flush=True)


def measure_answers(options, monitor, results):
    asked = [GET, put("/machine-config", MACHINE)]
    answers = monitor.contestant("mayfly", "API answers", asked, times=options.requests)
    failure = take_rounds([answers], 1)
    if failure:
        raise failure
    (values,) = answers.values
    names = [f"{request['method']} {request['path']}" for request in asked]
    split = [values[at * options.requests :][: options.requests] for at in range(len(asked))]
    print(f"on a kept connection, {options.requests} times each, us")
    print_table(["", "median", "p99", "min"], [[name, *times(samples)] for name, samples in zip(names, split)])
    for name, samples in zip(names, split):
        results.samples("mayfly", GUEST, f"{name}, kept connection", "us", samples)


def measure_memory(options, monitor, results):
    """The first of two of each kind: the second makes shared what can be shared, as in `memory`."""
    by_run = program("mayfly run", [options.mayfly, "run", "--memory", f"{RAM_MIB}M", "--kernel", options.kernel])
    by_run["words"] += ["--cmdline", "loop"]
    run_kib = private_kib(lambda crew, _: crew.add(by_run))
    requests = start_requests(options.kernel, "loop")

    def add_by_api(crew, socket):
        return crew.add(monitor.program(socket=socket), socket=monitor.socket(socket), requests=requests)

    api_kib = private_kib(add_by_api)
    print(f"private memory beside guest RAM: by run {run_kib} KiB, by API {api_kib} KiB")
    print(f"the API adds: {api_kib - run_kib} KiB")
    for name, kib in (("mayfly run", run_kib), ("mayfly", api_kib)):
        results.samples(name, GUEST, "private memory", "KiB", [kib])


def private_kib(add):
    with Crew() as crew:
        measured, _ = add(crew, "1.sock"), add(crew, "2.sock")
        signals.sleep(SETTLE_S)
        return smaps.private_kib_beside_ram(measured, RAM_MIB << 20)
