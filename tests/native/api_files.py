"""Firecracker mode's files: the configuration, the log, the metrics, the serial line's output, the ready line."""
import json
import os
import pathlib
import re
import time

from bad_input import kernel_of
from kit import TIME_LIMIT_S, case, expect, expect_equal, mayfly, monitor_pid, scratch
from unikernel import pattern_lines
from vm import ECHO, Vm
from api_schema import DOCUMENT, problems
from api_values import attempts_of, broken_bodies, value_of, written


class Files(Vm):
    """A folder with a kernel and a disk, and no VM of its own."""

    def __init__(self):
        super().__init__("--version", connects=False)
        self.process.communicate()
        self.disk = self.file("disk", bytes(65536))

    def configuration(self, boot_args="silent exit=7", **more):
        boot = {"kernel_image_path": self.kernel, "boot_args": boot_args}
        drive = {"drive_id": "d", "is_root_device": False, "path_on_host": self.disk, "rate_limiter": None}
        return {
            "boot-source": boot,
            "drives": [drive],
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 64},
            "network-interfaces": [],
            **more,
        }

    def write(self, content, name="config.json"):
        return self.file(name, content if isinstance(content, bytes) else json.dumps(content).encode())


@case()
def a_configuration_file_without_an_api_runs_to_the_guests_end():
    with Files() as files:
        path = files.write(files.configuration("silent print=10 disk-sum=16 exit=7"))
        result = mayfly("--no-api", "--config-file", path)
        expect_equal((result.returncode, result.stderr), (7, b""), "status and stderr")
        expect(
            result.stdout.startswith(b"disk-sum: 65536 bytes") and result.stdout.endswith(pattern_lines(10)),
            f"output: {result.stdout!r}",
        )
        with open(path, "rb") as file:
            result = mayfly("--no-api", "--config-file", f"/proc/self/fd/{file.fileno()}", pass_fds=[file.fileno()])
        expect_equal((result.returncode, result.stderr), (7, b""), "status with an inherited file")
        peers = {name: None for name in ("balloon", "cpu-config", "entropy", "memory-hotplug", "mmds-config", "vsock")}
        path = files.write(files.configuration(**peers, pmem=[]))
        expect_equal(mayfly("--no-api", "--config-file", path).returncode, 7, "status with parts that ask for nothing")
        path = files.write(files.configuration(**{"no-such-part": {"a": [1]}, "_comment": "why"}))
        result = mayfly("--no-api", "--config-file", path)
        expect_equal(result.returncode, 7, "status with parts that are unknown")
        for part in (b"no-such-part", b"_comment"):
            expect_equal(result.stderr.count(part + b": is no part of a configuration file"), 1, f"{result.stderr!r}")
        minimal = files.write({"boot-source": {"kernel_image_path": files.kernel, "boot_args": "exit=8"}})
        expect_equal(mayfly("--no-api", "--config-file", minimal).returncode, 8, "status of the least configuration")


@case()
def a_configuration_file_boots_at_once_and_has_an_api():
    with Files() as files:
        path = files.write(files.configuration(ECHO))
        with Vm("--api-sock", "{folder}/api", "--config-file", path) as vm:
            vm.expect_runs()
            found = vm.get("/vm/config")
            expect_equal(
                problems(DOCUMENT["components"]["schemas"]["ToldConfiguration"], found), [], "form of the configuration"
            )
            expect_equal(found["boot-source"]["boot_args"], ECHO, "boot_args")
            expect_equal(found["machine-config"]["mem_size_mib"], 64, "memory")
            vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, "after starting")
            vm.end()


@case()
def hold_waits_for_the_start():
    with Files() as files:
        path = files.write(files.configuration(ECHO))
        with Vm("--api-sock", "{folder}/api", "--config-file", path, "--hold") as vm:
            expect_equal(vm.state(), "Not started", "state")
            vm.do("PATCH", "/machine-config", {"vcpu_count": 2})
            vm.action("InstanceStart")
            vm.expect_runs()
            expect_equal(vm.get("/machine-config")["vcpu_count"], 2, "virtual CPUs")
            vm.end()


@case()
def what_the_api_says_is_a_configuration_file():
    """GET /vm/config goes into a file, and the same VM comes out of it."""
    with Vm() as vm:
        vm.configure("silent disk-sum=16 exit=13")
        limits = {"bandwidth": {"size": 1 << 30, "refill_time": 100, "one_time_burst": 5}}
        vm.do(
            "PUT",
            "/drives/d",
            {
                "drive_id": "d",
                "is_root_device": True,
                "is_read_only": True,
                "cache_type": "Writeback",
                "path_on_host": vm.file("disk", bytes(65536)),
                "rate_limiter": limits,
            },
        )
        vm.do("PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 96, "smt": True})
        said = vm.get("/vm/config")
        file = vm.file("said.json", json.dumps(said).encode())
        vm.terminate()
        with Vm("--api-sock", "{folder}/api", "--config-file", file, "--hold") as other:
            expect_equal(other.get("/vm/config"), said, "the configuration of the second VM")
            other.action("InstanceStart")
            expect_equal(other.wait(), 13, "status")


def expect_bad(path, what, *words):
    """Status 152, and one line that has one of the words."""
    result = mayfly("--no-api", "--config-file", path)
    if result.returncode != 152:
        return [f"{what}: status {result.returncode} ({result.stderr!r})"]
    line = result.stderr.decode()
    if len(line.splitlines()) != 1 or not line.startswith("mayfly: ") or not any(word in line for word in words):
        return [f"{what}: no {' or '.join(words)!r} in {line!r}"]
    return [] if result.stdout == b"" else [f"{what}: the guest ran"]


@case()
def each_field_of_the_file_is_checked_as_by_its_route():
    schemas = DOCUMENT["components"]["schemas"]
    found = []
    with Files() as files:
        whole = files.configuration()

        def paths(kind, name):
            return {"absent": f"{files.folder}/absent/{name}", "disk": files.disk}.get(kind, files.kernel)

        for section, schema in (("boot-source", "BootSource"), ("machine-config", "Machine")):
            for attempt in attempts_of(schemas[schema], value_of(schemas[schema], section, paths, "d"), paths):
                if not attempt.accepted:
                    file = files.write(written({**whole, section: attempt.body}).encode())
                    found += expect_bad(file, f"{section} {attempt.label}", *attempt.words)
        for attempt in attempts_of(schemas["Drive"], value_of(schemas["Drive"], "drive", paths, "d"), paths):
            if not attempt.accepted and "of the path" not in attempt.label:  # a file has no path's id
                file = files.write(written({**whole, "drives": [attempt.body]}).encode())
                found += expect_bad(file, f"drives {attempt.label}", *attempt.words)
        for label, text in broken_bodies(whole):
            if text is not None:
                found += expect_bad(
                    files.write(text if isinstance(text, bytes) else text.encode()), label, "config.json"
                )
    expect(not found, "\n    ".join([f"{len(found)} files are taken amiss:", *found[:15]]))


@case()
def files_that_are_no_configuration_are_refused():
    with Files() as files:
        whole = files.configuration()
        found = expect_bad(files.write({**whole, "vsock": {}}), "vsock", "vsock")
        found += expect_bad(files.write({**whole, "pmem": [{}]}), "pmem", "pmem")
        found += expect_bad(files.write({**whole, "drives": {}}), "drives as an object", "drives")
        found += expect_bad(files.write({**whole, "drives": [1]}), "a number as a drive", "drives")
        twins = [whole["drives"][0], {**whole["drives"][0], "drive_id": "other"}]
        found += expect_bad(files.write({**whole, "drives": twins}), "a file for two drives", "another drive")
        found += expect_bad(files.write({**whole, "logger": {"level": "Loud"}}), "level", "level")
        less = {name: whole[name] for name in whole if name != "boot-source"}
        found += expect_bad(files.write(less), "no boot", "boot-source")
        found += expect_bad(files.write(written(whole)[:-1].encode() + b', "boot-source": {}}'), "twice", "boot-source")
        found += expect_bad(f"{files.folder}/absent", "absent", "absent")
        found += expect_bad(files.folder, "a folder", files.folder)
        expect(not found, "\n    ".join(found))


@case()
def a_jail_of_its_own_is_entered_with_the_files_open():
    with Files() as files:
        os.chmod(files.folder, 0o700)  # nobody else can reach the files
        path = files.write(files.configuration(f"disk-sum=16 {ECHO}"))
        with Vm("--api-sock", "{folder}/api", "--config-file", path, "--jail") as vm:
            vm.read_until(b"disk-sum: 65536 bytes")
            vm.expect_runs()
            vm.pause()
            vm.resume()
            if os.geteuid() == 0:
                expect_equal(os.listdir(f"/proc/{monitor_pid(vm.process.pid)}/root"), [], "files in its root")
            vm.refuse("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": files.disk})
            vm.do("PATCH", "/drives/d", {"drive_id": "d", "rate_limiter": {"ops": {"size": 1, "refill_time": 1}}})
            vm.end()


def json_lines(data):
    lines = data.decode().splitlines()
    for line in lines:
        expect(isinstance(json.loads(line), dict), f"a line that is no object: {line[:200]}")
    return lines


@case()
def metrics_go_to_a_file_line_by_line():
    with Vm() as vm:
        path = vm.file("metrics", b"")
        vm.do("PUT", "/metrics", {"metrics_path": path})
        vm.start()
        for count in range(1, 6):
            before = len(json_lines(pathlib.Path(path).read_bytes()))
            vm.action("FlushMetrics")
            expect(len(json_lines(pathlib.Path(path).read_bytes())) > before, f"no line from flush {count}")
        vm.end()
        json_lines(pathlib.Path(path).read_bytes())


@case()
def the_log_has_a_line_for_each_request_and_fault():
    with Vm() as vm:
        path = pathlib.Path(vm.file("log"))
        vm.do("PUT", "/logger", {"log_path": str(path), "show_level": True})
        for number in range(1, 31):
            vm.do("PUT", "/machine-config", {"vcpu_count": number, "mem_size_mib": 64})
            vm.refuse("PUT", "/vsock", {})
        vm.get("/version")
        lines = [line.split("] ", 1)[1] for line in path.read_text().splitlines()]
        expect(re.fullmatch(r"Running Firecracker v1\.15\.0's API on Mayfly v\S+", lines[0]), f"first line: {lines[0]}")
        done = 'PUT request on "/machine-config" was executed successfully. Status code: 204 No Content.'
        fault = 'PUT request on "/vsock": Received Error. Status code: 400 Bad Request. Message: Invalid request method'
        expect_equal(lines.count(done), 30, "lines of requests")
        expect_equal(sum(line.startswith(fault) for line in lines), 30, "lines of faults")
        told = 'GET request on "/version" was executed successfully. Status code: 200 OK.'
        expect_equal(lines[-1], told, "the last line")


@case()
def a_field_that_firecracker_deprecates_is_taken_and_told_of():
    with Vm() as vm:
        path = pathlib.Path(vm.file("log"))
        vm.do("PUT", "/logger", {"log_path": str(path), "show_level": True})
        machine = {"vcpu_count": 1, "mem_size_mib": 64}

        def told(method, body):
            response = vm.request(method, "/machine-config", body)
            expect_equal(response.status, 204, f"{method} {body} ({response})")
            line = f"WARN] {method} /machine-config: cpu_template field is deprecated."
            return response.headers.get("deprecation"), sum(line in one for one in path.read_text().splitlines())

        expect_equal(told("PUT", machine), (None, 0), "a PUT without it")
        expect_equal(told("PUT", {**machine, "cpu_template": None}), (None, 0), "a PUT where it is null")
        expect_equal(told("PUT", {**machine, "cpu_template": "None"}), ("true", 1), "a PUT with it")
        expect_equal(told("PATCH", {"vcpu_count": 2}), (None, 0), "a PATCH without it")
        expect_equal(told("PATCH", {"cpu_template": "None"}), ("true", 1), "a PATCH with it")


@case()
def one_line_of_metrics_is_written_at_the_start():
    with Vm() as vm:
        path = pathlib.Path(vm.file("metrics", b""))
        vm.do("PUT", "/metrics", {"metrics_path": str(path)})
        expect_equal(path.read_bytes(), b"", "lines before the start")
        vm.start()
        vm.ping()
        vm.state()  # what was due is done between two requests
        lines = json_lines(path.read_bytes())
        expect_equal(len(lines), 1, "lines after the start")
        started = json.loads(lines[0])
        expect(started["put_api_requests"]["actions_count"] == 1, f"InstanceStart is not in it: {lines}")
        vm.end()


@case()
def each_line_of_metrics_has_the_id_and_properties_that_were_asked_for():
    with Vm("--api-sock", "{folder}/api", "--id", "vm-7") as vm:
        path = pathlib.Path(vm.file("metrics", b""))
        asked = {"metrics_path": str(path), "emit_id": True, "properties": {"team": 'a"b', "zone": ""}}
        for bad in ({"a": 1}, {"a": None}, ["a"]):
            vm.refuse("PUT", "/metrics", {**asked, "properties": bad}, "properties")
        vm.refuse("PUT", "/metrics", written(asked).replace("zone", "team"), "properties: team", "twice")
        vm.do("PUT", "/metrics", asked)
        expect_equal(vm.get("/vm/config")["metrics"], asked, "what is told")
        vm.start()
        vm.action("FlushMetrics")
        vm.end()
        lines = [json.loads(line) for line in json_lines(path.read_bytes())]
        expect(len(lines) >= 2, f"lines: {lines}")
        for line in lines:
            expect_equal((line["id"], line["properties"]), ("vm-7", asked["properties"]), "id and properties")


@case()
def metrics_without_a_file_are_flushed_nowhere():
    with Vm() as vm:
        vm.refuse("PUT", "/actions", {"action_type": "FlushMetrics"}, "before starting")
        vm.start()
        vm.action("FlushMetrics")
        vm.end()


class Fifo:
    """A FIFO with a reader that does not wait."""

    def __init__(self, vm, name):
        self.path, self.data = os.path.join(vm.folder, name), b""
        os.mkfifo(self.path)
        self.reader = None

    def open(self):
        self.reader = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK)

    def close(self):
        os.close(self.reader)

    def read_line(self):
        give_up = time.monotonic() + TIME_LIMIT_S
        while b"\n" not in self.data:
            expect(time.monotonic() < give_up, f"no line in the FIFO: {self.data!r}")
            try:
                self.data += os.read(self.reader, 65536)
            except BlockingIOError:
                time.sleep(0.01)
        line, self.data = self.data.split(b"\n", 1)
        return line


@case()
def a_fifo_for_the_metrics_may_lose_its_reader():
    with Vm() as vm:
        fifo = Fifo(vm, "metrics")
        vm.do("PUT", "/metrics", {"metrics_path": fifo.path})  # nobody reads yet, and nobody waits
        fifo.open()
        vm.start()
        vm.action("FlushMetrics")
        expect(isinstance(json.loads(fifo.read_line()), dict), "a line")
        fifo.close()
        for _ in range(200):  # more than a pipe holds
            status = vm.request("PUT", "/actions", {"action_type": "FlushMetrics"}).status
            expect(status in (204, 400), f"status without a reader: {status}")
        vm.expect_runs()
        vm.end()


@case()
def a_fifo_that_nobody_empties_stops_nobody():
    with Vm() as vm:
        log, metrics = Fifo(vm, "log"), Fifo(vm, "metrics")
        log.open()
        metrics.open()
        vm.do("PUT", "/logger", {"log_path": log.path, "level": "Trace", "show_level": True, "show_log_origin": True})
        vm.do("PUT", "/metrics", {"metrics_path": metrics.path})
        vm.start()
        for number in range(2000):
            vm.request("PUT", "/actions", {"action_type": "FlushMetrics"})
            vm.request("GET", "/nothing")
            if number % 500 == 0:
                vm.expect_runs()
        vm.expect_runs()
        json.loads(metrics.read_line())  # a whole line, whatever was lost behind it
        log.close()
        metrics.close()
        vm.request("GET", "/nothing")
        vm.expect_runs()
        vm.end()


@case()
def the_log_goes_to_a_file_with_what_was_asked_for():
    for level, has in (("Off", False), ("Trace", True)):
        with Vm() as vm:
            path = vm.file("log")
            vm.do("PUT", "/logger", {"log_path": path, "level": level, "show_level": True, "show_log_origin": True})
            vm.start()
            vm.request("PUT", "/vsock", {})
            vm.expect_runs()
            vm.end()
            text = pathlib.Path(path).read_text()
            expect_equal(bool(text), has, f"whether there are lines at level {level}: {text[:300]!r}")
            expect(not has or text.endswith("\n"), f"the last line is cut: {text[-100:]!r}")
    with Vm() as vm:
        fifo = Fifo(vm, "log")
        fifo.open()
        vm.do("PUT", "/logger", {"log_path": fifo.path, "level": "Debug"})
        vm.start()
        expect(fifo.read_line(), "a line of the log")
        vm.end()


@case()
def the_log_and_metrics_have_flags_too():
    with Vm(
        "--api-sock",
        "{folder}/api",
        "--log-path",
        "{folder}/log",
        "--level",
        "Debug",
        "--show-level",
        "--show-log-origin",
        "--metrics-path",
        "{folder}/metrics",
        "--boot-timer",
        "--id",
        "flags",
    ) as vm:
        vm.start()
        vm.ping()
        vm.action("FlushMetrics")
        vm.end()
        expect(pathlib.Path(vm.folder, "log").read_text(), "no log")
        expect(json_lines(pathlib.Path(vm.folder, "metrics").read_bytes()), "no metrics")
        said = pathlib.Path(vm.folder, "log").read_text() + vm.stderr().decode()
        expect(re.search(r"Guest-boot-time = +\d+ us \d+ ms, +\d+ CPU us \d+ CPU ms", said), f"no boot time: {said}")


def log_of(folder, *flags):
    """The texts of the log, which is to be there, and the status, of a monitor that ends by itself."""
    log = folder / "log"
    ended = mayfly("--id", "log", "--log-path", str(log), *flags)
    return [line.split("] ", 1)[1] for line in log.read_text().splitlines()], ended.returncode


@case()
def the_log_says_when_it_starts_and_how_it_ends():
    started = "Successfully started microvm that was configured from one single json"
    for words, status, end in (
        ("exit=0", 0, "Firecracker exiting successfully. exit_code=0"),
        ("exit=9", 9, "Firecracker exiting with error. exit_code=9"),
    ):
        with scratch() as folder:
            boot = {"kernel_image_path": kernel_of(folder), "boot_args": f"silent {words}"}
            (folder / "configuration").write_text(json.dumps({"boot-source": boot}))
            for flags, api in ((["--no-api"], []), (["--api-sock", f"{folder}/api"], ["API server started."])):
                lines, ended = log_of(folder, "--config-file", str(folder / "configuration"), *flags)
                expect_equal((sorted(lines[1:]), ended), (sorted([*api, started, end]), status), f"log with {flags}")
                expect_equal(lines[-1], end, "the last line")
                (folder / "log").unlink()


@case(needs_kvm=False)
def the_log_has_what_is_wrong_with_other_flags():
    """They are looked at before the log is open, and stderr may be nobody's."""
    with scratch() as folder:
        (folder / "filter").write_bytes(b"MayflyBPvc")
        for flags, words in (
            (["--seccomp-filter", f"{folder}/filter"], "end inside a header"),
            (["--config-file", f"{folder}/absent"], "absent"),
        ):
            lines, ended = log_of(folder, "--api-sock", f"{folder}/api", *flags)
            expect_equal(ended, 152, f"status with {flags}")
            expect(any(words in line for line in lines), f"{words!r} is not in {lines}")
            (folder / "log").unlink()


@case()
def prometheus_can_read_the_metrics():
    label = r'[a-zA-Z_][a-zA-Z0-9_]*="([^"\\\n]|\\[\\"n])*",?'
    sample = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*(\{(" + label + r")*\})? (-?[0-9.e+-]+|NaN|[+-]Inf)")
    with Vm() as vm:
        vm.do(
            "PUT",
            "/drives/d",
            {"drive_id": "d", "is_root_device": False, "path_on_host": vm.file("disk", bytes(65536))},
        )
        for step in (lambda: None, vm.start, vm.ping, vm.pause):
            step()
            response = vm.request("GET", "/metrics/prometheus")
            expect_equal(
                (response.status, response.headers["content-type"]), (200, "text/plain; version=0.0.4"), "response"
            )
            text = response.body.decode()
            expect(text.endswith("\n"), "no newline at the end")
            typed, seen = set(), set()
            for line in text.splitlines():
                if line.startswith("# TYPE "):
                    _, _, name, kind = line.split(" ")
                    expect(kind in ("counter", "gauge", "histogram", "summary", "untyped") and name not in typed, line)
                    typed.add(name)
                elif not line.startswith("#"):
                    expect(sample.fullmatch(line), f"no sample: {line!r}")
                    expect(line.rsplit(" ", 1)[0] not in seen, f"twice: {line!r}")
                    seen.add(line.rsplit(" ", 1)[0])
                    name = re.match("[a-zA-Z0-9_:]*", line)[0]
                    expect(name in typed or re.sub("_(sum|count|bucket)$", "", name) in typed, f"no type: {line!r}")
            expect(seen, "no samples")


@case()
def the_serial_line_goes_where_it_was_told_to():
    with Vm() as vm:
        path = vm.file("serial")
        vm.do("PUT", "/serial", {"serial_out_path": path})
        vm.start("silent print=1000 exit=3")
        expect_equal(vm.wait(), 3, "status")
        expect(pathlib.Path(path).read_bytes() == pattern_lines(1000), "the file has other bytes than the guest wrote")
        expect_equal(vm.process.stdout.read(), b"", "stdout")
    with Vm() as vm:
        fifo = Fifo(vm, "serial")
        fifo.open()
        vm.do("PUT", "/serial", {"serial_out_path": fifo.path})
        vm.start("silent print=1000 exit=4")
        lines = [fifo.read_line() + b"\n" for _ in range(1000)]
        expect(b"".join(lines) == pattern_lines(1000), "the FIFO has other bytes than the guest wrote")
        expect_equal(vm.wait(), 4, "status")
        fifo.close()


@case()
def a_drive_takes_another_file_and_frees_the_first():
    with Vm() as vm:
        first, second = vm.file("first", bytes(65536)), vm.file("second", bytes(131072))
        vm.do("PUT", "/drives/d", {"drive_id": "d", "is_root_device": False, "path_on_host": first})
        vm.start(ECHO)
        vm.ping()
        expect(b"in use" in mayfly("run", "--disk", first).stderr, "the first file is not in use")
        vm.do("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": second})
        expect_equal(
            mayfly("run", "--disk", first, "--", "quiet", "exit=5").returncode, 5, "status with the file it gave up"
        )
        expect(b"in use" in mayfly("run", "--disk", second).stderr, "the second file is not in use")
        vm.refuse("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": f"{vm.folder}/absent"}, "absent")
        vm.refuse("PATCH", "/drives/x", {"drive_id": "x", "path_on_host": first}, "drive_id")
        expect(b"in use" in mayfly("run", "--disk", second).stderr, "a PATCH that failed took the file away")
        vm.expect_runs()
        vm.end()
