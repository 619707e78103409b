"""Walks the OpenAPI file: each route and field of it, in each state of the VM, at the limits and past them.

What the monitor answers must be in the file; what is in the file must be testable here; and a request that fails must
leave the configuration as it was and the VM running. The cases are made from the file."""
import re

from kit import case, expect, expect_equal
from kit.api import encoded
from vm import ECHO, Vm
from api_schema import DOCUMENT, FILE, Operation, operations, resolved
from api_values import Attempt, attempts_of, broken_bodies, value_of, with_field, written
from devices import Tap

STATES = {"before": "Not started", "running": "Running", "paused": "Paused"}
AFTER = "The requested operation is not supported after starting the microVM."
BEFORE = "The requested operation is not supported before starting the microVM."
IDENTIFIER = "d0"
MOST_SHOWN = 15
ALL = operations()
BY_NAME = {operation.name: operation for operation in ALL}
UNKNOWN_ROUTES = (
    "/nothing",
    "/machine-config/1",
    "/Machine-Config",
    "/drives",
    "/drives/",
    "/drives/a/b",
    "/drives/a%20b",
    "/drives/a%2fb",
    "/network-interfaces",
    "/network-interfaces/",
    "/vm/",
    "/vm/configs",
    "/boot-source/../vm/config",
    "/metrics/",
    "/metrics/json",
    "/snapshot",
    "/snapshot/",
    "/mmdsx",
    "/" + "a" * 2000,
)
METHODS = ("GET", "PUT", "PATCH", "POST", "DELETE", "OPTIONS")


class World:
    """A VM in a state, with files for its fields. Collects what is wrong, so that one failure does not hide others."""

    def __init__(self, state, tap=None, metrics=True):
        self.state, self.tap, self.found, self.sent = state, tap, [], 0
        self.vm = Vm()
        self.disk = self.vm.file("disk", bytes(1 << 16))
        if metrics:
            self.vm.do("PUT", "/metrics", {"metrics_path": self.vm.file("metrics.out")})
        if state != "before":
            self.configure()
            self.vm.action("InstanceStart")
            self.vm.ping()
        if state == "paused":
            self.vm.pause()

    def configure(self):
        self.vm.configure()
        drive = {"drive_id": IDENTIFIER, "is_root_device": False, "path_on_host": self.disk}
        self.vm.do("PUT", f"/drives/{IDENTIFIER}", drive)
        if self.tap:
            self.vm.do("PUT", f"/network-interfaces/{IDENTIFIER}", {"iface_id": IDENTIFIER, "host_dev_name": self.tap})

    def __enter__(self):
        return self

    def __exit__(self, failed, *_):
        try:
            if failed is None:
                self.still_works()
                expect(not self.found, self.report())
        finally:
            self.vm.__exit__()

    def report(self):
        more = len(self.found) - MOST_SHOWN
        return "\n    ".join(
            [
                f"{len(self.found)} of {self.sent} answers are wrong:",
                *self.found[:MOST_SHOWN],
                *([f"and {more} more"] if more > 0 else []),
            ]
        )

    def still_works(self):
        """The VM runs, or can be made to, whatever was asked of it."""
        if self.state == "before":
            self.vm.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
            self.vm.do("PUT", "/serial", {})
            self.vm.start(ECHO)
        elif self.vm.state() == "Paused":
            self.vm.resume()
        self.vm.expect_runs()
        self.vm.end()

    def files(self, kind, name):
        if kind == "read":
            return self.vm.kernel if name == "kernel_image_path" else self.vm.file("initrd", bytes(4096))
        known = {"disk": self.disk, "tap": self.tap, "absent": f"{self.vm.folder}/absent/{name}"}
        return known[kind] if kind in known else self.vm.file(f"{name}.out")

    def ask(self, operation, path, label, body, wanted):
        """Sends it; its response if that is as documented and has the wanted status."""
        self.sent += 1
        response = self.vm.request(operation.method, path, body)
        found = operation.problems_of(response)
        if response.status != wanted:
            found.append(f"{operation.method} {path}: {label}: {response} instead of {wanted}")
        self.found += found
        return None if found else response

    def refused(self, operation, path, attempt, *words):
        """400, one of the words in the message, and a configuration as before."""
        before = self.vm.get("/vm/config")
        response = self.ask(operation, path, attempt.label, attempt.body, 400)
        if response and not any(word in response.fault for word in words):
            missed = f"no {' or '.join(words)!r} in {response.fault!r}"
            self.found.append(f"{operation.method} {path}: {attempt.label}: {missed}")
        after = self.vm.get("/vm/config")
        if after != before:
            self.found.append(
                f"{operation.method} {path}: {attempt.label}: it was refused, but {before} became {after}"
            )

    def try_all(self, operation, attempts):
        path = operation.at(IDENTIFIER)
        for attempt in attempts:
            sent = Attempt(attempt.label, attempt.text(), *attempt.words)
            if not attempt.accepted:
                self.refused(operation, path, sent, *attempt.words)
            elif self.ask(operation, path, attempt.label, sent.body, 204):
                self.found += taken_amiss(path, attempt.body, self.vm.get("/vm/config"), operation)


def taken_amiss(path, body, configuration, operation):
    """What of a body that was accepted is not in the configuration."""
    fields = operation.body["properties"]
    _, name, *identifier = path.split("/")
    if configuration.get(name) is None:
        return (
            [f"{path} {written(body)}: not in the configuration"]
            if effective(body) and name not in ("actions", "vm")
            else []
        )
    section = configuration[name]
    if identifier:
        sections = [one for one in section if identifier[0] in (one.get("drive_id"), one.get("iface_id"))]
        if len(sections) != 1:
            return [f"{path}: {len(sections)} of this id in the configuration"]
        section = sections[0]
    told = effective(section)
    return [
        f"{path}: {key} is {told.get(key)!r} after {value!r}"
        for key, value in effective(body).items()
        if is_other(fields[key], told.get(key), value)
    ]


def is_other(schema, told, value):
    schema = resolved(schema)
    value = {word.lower(): other for word, other in schema.get("x-told-as", {}).items()}.get(str(value).lower(), value)
    if schema.get("x-any-case") and isinstance(told, str):
        return told.lower() != value.lower()
    return told != value


def effective(body):
    """Without what is null, limits that are none, and objects that are empty for it."""

    def of_bucket(bucket):
        return {"one_time_burst": 0, **bucket} if bucket["size"] and bucket["refill_time"] else None

    kept = {}
    for key, value in body.items():
        if isinstance(value, dict):
            value = of_bucket(effective_numbers(value)) if "size" in value else effective(value)
        if value is not None and value != {}:
            kept[key] = value
    return kept


def effective_numbers(bucket):
    return {key: value for key, value in bucket.items() if value is not None}


def good_body(world, operation):
    return value_of(operation.body, operation.name, world.files, IDENTIFIER)


def needs_tap(operation):
    return operation.path.startswith("/network-interfaces")


def in_world(operation, state, body):
    """Runs body(world), with a TAP where the operation needs one."""
    metrics = operation.name != "putMetrics"
    if needs_tap(operation):
        with Tap("walk") as tap, World(state, tap, metrics) as world:
            body(world)
    else:
        with World(state, metrics=metrics) as world:
            body(world)


def depends_on_state(operation):
    return any("x-value-when" in resolved(field) for field in operation.body["properties"].values())


def walk_fields(operation, state):
    def body(world):
        good = good_body(world, operation)
        if needs_tap(operation):
            good = {**good, **({"host_dev_name": world.tap} if "host_dev_name" in good else {})}
        attempts = attempts_of(operation.body, good, world.files)
        is_too_early = state == "before" and depends_on_state(operation)
        if operation.most or is_too_early:  # what is accepted has cases of its own, as few successes are all there are
            attempts = (attempt for attempt in attempts if not attempt.accepted)
        world.try_all(operation, attempts)
        for label, text in broken_bodies(good):
            world.refused(operation, operation.at(IDENTIFIER), Attempt(label, text, "refused"), "")
        wanted = 400 if is_too_early else 204
        world.ask(operation, operation.at(IDENTIFIER), "blanks everywhere", f" \r\n\t{written(good)}\n ", wanted)

    in_world(operation, state, body)


def walk_wrong_state(operation, state):
    words = AFTER if operation.when == "before" else BEFORE

    def body(world):
        good = good_body(world, operation)
        path = operation.at(IDENTIFIER)
        world.refused(operation, path, Attempt("a good body in the wrong state", written(good), words), words)
        bad = with_field(good, ("no_such_field",), 1)
        world.refused(operation, path, Attempt("a bad body in the wrong state", written(bad), ""), "")

    in_world(operation, state, body)


def walk_few(operation):
    """Each value that is good, in a VM of its own, and once more than is taken."""

    def attempts_in(world):
        return [one for one in attempts_of(operation.body, good_body(world, operation), world.files) if one.accepted]

    with World("before", metrics=False) as world:
        count = len(attempts_in(world))
    for number in range(count):
        with World("before", metrics=False) as world:
            world.try_all(operation, [attempts_in(world)[number]])
    with World("before", metrics=False) as world:
        good = written(good_body(world, operation))
        for _ in range(operation.most):
            world.ask(operation, operation.path, "as often as the file says", good, 204)
        if operation.most == 1:
            world.refused(operation, operation.path, Attempt("a second time", good, "refused"), "")


def add(name, body, needs_kvm=True):
    """A case of this module, made from the file."""
    body.__name__, body.__module__ = name, __name__
    globals()[name] = case(needs_kvm=needs_kvm)(body)


def is_right(operation, state):
    return operation.when == "always" or (operation.when == "before") == (state == "before")


def words_of(state):
    return {"before": "before_the_start", "running": "while_running", "paused": "while_paused"}[state]


def add_cases():
    for operation in ALL:
        if not operation.body or operation.tried_in:
            continue
        for state in STATES:
            if is_right(operation, state):
                add(
                    f"{operation.name}_takes_what_the_file_says_{words_of(state)}",
                    lambda operation=operation, state=state: walk_fields(operation, state),
                )
            else:
                add(
                    f"{operation.name}_is_refused_{words_of(state)}",
                    lambda operation=operation, state=state: walk_wrong_state(operation, state),
                )
        if operation.most:
            add(f"{operation.name}_takes_each_good_value", lambda operation=operation: walk_few(operation))
    for state in STATES:
        add(f"reading_is_as_documented_{words_of(state)}", lambda state=state: walk_reading(state))
        add(f"what_Mayfly_does_not_have_is_refused_{words_of(state)}", lambda state=state: walk_refused(state))
        add(f"other_methods_and_routes_are_refused_{words_of(state)}", lambda state=state: walk_unknown(state))


def walk_reading(state):
    with World(state) as world:
        readers = [operation for operation in ALL if operation.method == "GET" and not operation.refused]
        for operation in readers * 2:
            world.ask(operation, operation.path, "reading", None, 200)
        for operation in readers:
            world.ask(operation, operation.path, "reading with a body", "{}", 400)
        expect_equal(world.vm.state(), STATES[state], "state")
        if state != "before":
            drives = world.vm.get("/vm/config")["drives"]
            expect_equal([drive["drive_id"] for drive in drives], [IDENTIFIER], "drives")


def walk_refused(state):
    with World(state) as world:
        for operation in ALL:
            if operation.refused:
                for body in (None, "{}", '{"no_such_field": 1}'):
                    if body is None or operation.method != "GET":
                        attempt = Attempt(f"refused route with {body}", body, "refused")
                        world.refused(operation, operation.at(IDENTIFIER), attempt, "")


def undocumented(method, path):
    """An operation that the file does not have, answered as all are."""
    responses = {"400": DOCUMENT["components"]["responses"]["Refused"]}
    operation = Operation(path, method, {"operationId": path, "responses": responses}, [])
    operation.method = method  # as it is, also in small letters
    return operation


def walk_unknown(state):
    with World(state) as world:
        known = {(operation.method, operation.path) for operation in ALL}
        asked = [(method, path) for path in DOCUMENT["paths"] for method in METHODS if (method, path) not in known]
        asked += [(method, path) for path in UNKNOWN_ROUTES for method in METHODS]
        asked += [(method, "/machine-config") for method in ("get", "Put", "PUTT", "PROPFIND", "X")]
        for method, path in asked:
            path = re.sub(r"\{\w+\}", IDENTIFIER, path)
            body = None if method.upper() == "GET" else "{}"
            world.refused(undocumented(method, path), path, Attempt("not in the file", body, "refused"), "")


add_cases()


def rows_of_fault_texts():
    """Text, requests and state, of each row of the table in docs/api.md."""
    page = (FILE.parents[2] / "docs/api.md").read_text(encoding="utf-8")
    table = page.split("## Fault texts", 1)[1].split("\n## ", 1)[0]
    for line in table.splitlines():
        if line.startswith("| `"):
            text, requests, state = line.strip("| ").split(" | ")
            yield text.strip("`"), re.findall(r"`([^`]+)`", requests), state


@case()
def faults_have_the_words_that_programs_look_for():
    rows = list(rows_of_fault_texts())
    expect(len(rows) >= 12, f"rows of the table: {rows}")
    for text, requests, state in rows:
        with World({"before": "before", "runs": "running"}[state], metrics=False) as world:
            drive = {"drive_id": "a", "is_root_device": True, "path_on_host": world.disk}
            other = {**drive, "drive_id": "b", "path_on_host": world.vm.file("other", bytes(4096))}
            bodies = {"A": drive, "B": other, "M": {"metrics_path": world.vm.file("metrics")}}
            for request in requests:
                method, path, *body = request.split(" ", 2)
                response = world.vm.request(method, path, *(bodies.get(one, one) for one in body))
            expect_equal(response.status, 400, request)
            expect(text in response.fault, f"{request}: {text!r} is not in {response.fault!r}")
            if state == "before":
                world.vm.hang_up()


@case()
def the_configuration_has_every_key_of_firecrackers():
    keys = """balloon boot-source cpu-config drives entropy logger machine-config memory-hotplug metrics mmds-config
        network-interfaces pmem vsock""".split()
    of_drive = """cache_type drive_id io_engine is_read_only is_root_device partuuid path_on_host rate_limiter
        socket""".split()
    for state in STATES:
        with World(state, metrics=False) as world:
            told = world.vm.get("/vm/config")
            expect_equal(sorted(told), keys, f"keys {words_of(state)}")
            machine = ["huge_pages", "mem_size_mib", "smt", "track_dirty_pages", "vcpu_count"]
            expect_equal(sorted(told["machine-config"]), machine, "keys of machine-config")
            if state != "before":
                expect_equal(sorted(told["drives"][0]), of_drive, "keys of a drive")
                expect_equal(sorted(told["boot-source"]), ["boot_args", "initrd_path", "kernel_image_path"], "keys")


@case()
def a_drives_patch_that_changes_nothing_is_refused():
    with World("running") as world:
        path, body = f"/drives/{IDENTIFIER}", {"drive_id": IDENTIFIER}
        world.vm.refuse("PATCH", path, body, "nothing to change")
        world.vm.refuse("PATCH", path, {**body, "path_on_host": None, "rate_limiter": None}, "nothing to change")
        world.vm.do("PATCH", path, {**body, "rate_limiter": {}})


@case()
def group_addresses_are_taken_for_a_nic():
    with Tap("walkmac") as tap, World("before", tap) as world:
        for mac in ("01:00:5e:00:00:01", "ff:ff:ff:ff:ff:ff", "00:00:00:00:00:00"):
            nic = {"iface_id": "n", "host_dev_name": tap, "guest_mac": mac}
            world.vm.do("PUT", "/network-interfaces/n", nic)
            expect_equal(world.vm.get("/vm/config")["network-interfaces"][0]["guest_mac"], mac, "address")


@case()
def a_slash_at_the_end_of_a_path_is_as_none():
    with World("before") as world:
        vm = world.vm
        for path in ("/", "//", "/version/", "/vm/config//", "/machine-config/"):
            expect_equal(vm.get(path), vm.get(path.rstrip("/") or "/"), f"answer at {path}")
        vm.do("PUT", "/machine-config/", {"vcpu_count": 2, "mem_size_mib": 64})
        drive = {"drive_id": "d", "is_root_device": False, "path_on_host": world.disk}
        vm.do("PUT", "/drives/d/", drive)
        vm.refuse("PUT", "/drives/", drive)
        vm.refuse("PUT", "/vsock/", {}, "three kinds of device")


@case()
def identifiers_of_every_kind_are_taken_as_they_are():
    with World("before") as world:
        operation = BY_NAME["putDrive"]
        for identifier in ("a", "A-b_c.9", "0", "-", "_", "..", "a" * 200):
            path = world.vm.file(f"disk-{identifier}", bytes(4096))
            body = {"drive_id": identifier, "is_root_device": False, "path_on_host": path}
            if world.ask(operation, f"/drives/{identifier}", identifier, encoded(body), 204):
                world.found += taken_amiss(f"/drives/{identifier}", body, world.vm.get("/vm/config"), operation)
        for identifier in ("a b", "", "a/b", "\u00e4"):
            body["drive_id"] = identifier
            world.refused(operation, "/drives/a", Attempt(identifier, encoded(body), "drive_id"), "drive_id")


@case()
def one_root_drive_even_cpus_and_nothing_to_start():
    with World("before") as world:
        vm = world.vm
        vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, "boot")
        vm.do("PUT", "/machine-config", {"vcpu_count": 3, "mem_size_mib": 128})
        vm.refuse("PATCH", "/machine-config", {"smt": True}, "vcpu_count")
        vm.refuse("PUT", "/machine-config", {"vcpu_count": 3, "mem_size_mib": 128, "smt": True}, "vcpu_count")
        vm.do("PATCH", "/machine-config", {"smt": True, "vcpu_count": 4})
        vm.refuse("PATCH", "/machine-config", {"vcpu_count": 3}, "vcpu_count")
        vm.refuse("PATCH", "/machine-config", {})
        vm.do("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 256})
        expect_equal(vm.get("/machine-config")["smt"], False, "smt, which a PUT sets to its default")
        root = {"drive_id": "r", "is_root_device": True, "path_on_host": world.disk}
        other = {**root, "drive_id": "s", "path_on_host": vm.file("other", bytes(4096))}
        vm.do("PUT", "/drives/r", root)
        vm.refuse("PUT", "/drives/s", other, "is_root_device")
        vm.do("PUT", "/drives/r", {**root, "is_root_device": False})
        vm.do("PUT", "/drives/s", other)
        vm.refuse("PUT", "/drives/r", root, "is_root_device")


@case()
def actions_are_taken_in_their_state_only():
    for state in STATES:
        with World(state) as world:
            vm = world.vm
            if state == "before":
                vm.refuse("PUT", "/actions", {"action_type": "FlushMetrics"}, BEFORE)
                vm.refuse("PUT", "/actions", {"action_type": "SendCtrlAltDel"}, BEFORE)
            if state != "before":
                vm.do("PUT", "/actions", {"action_type": "FlushMetrics"})
                for _ in range(4):  # this guest reads no keyboard
                    vm.do("PUT", "/actions", {"action_type": "SendCtrlAltDel"})
                vm.refuse("PUT", "/actions", {"action_type": "SendCtrlAltDel"}, "not taken")
                vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, AFTER)
                expect_equal(vm.state(), STATES[state], "state")
