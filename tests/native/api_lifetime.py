"""Firecracker mode from its start to its end: the socket's place, exit statuses, pauses, many VMs, the jailer."""
import fcntl
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile
import time

from bad_input import kernel_of
from kit import TIME_LIMIT_S, Failed, Skipped, case, expect, expect_equal, mayfly, program
from kit.api import connect
from vm import Vm
from jail import GID, UID, Base, the_static_program


@case()
def a_lock_on_its_folder_stops_no_start():
    with tempfile.TemporaryDirectory() as folder:
        descriptor = os.open(folder, os.O_RDONLY)  # as anybody can who may read it
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        with Vm("--api-sock", f"{folder}/api", connects=False) as vm:
            vm.path = f"{folder}/api"
            vm.client = vm.connect()
            expect_equal(vm.state(), "Not started", "state")
            expect_equal(os.listdir(folder), ["api"], "what is in the folder")
        os.close(descriptor)


@case()
def a_socket_that_is_there_takes_clients():
    """Who waits for the path, by whatever means, can connect the moment it sees it."""
    for number in range(20):
        with Vm("--api-sock", "{folder}/api", connects=False) as vm:
            give_up = time.monotonic() + TIME_LIMIT_S
            while not os.path.exists(vm.path):
                expect(time.monotonic() < give_up and vm.process.poll() is None, f"no socket ({vm.stderr()!r})")
            try:
                vm.client = connect(vm.path)
            except OSError as error:
                raise Failed(f"start {number}: the path is there, and connecting fails: {error}") from None
            expect_equal(vm.state(), "Not started", "state")


@case()
def a_second_instance_leaves_the_first_alone():
    with Vm() as vm:
        vm.start()
        second = mayfly("--api-sock", vm.path)
        expect(second.returncode in (1, 153), f"status of the second: {second.returncode}")
        expect(vm.path.encode() in second.stderr, f"line: {second.stderr!r}")
        expect_equal(len(second.stderr.splitlines()), 1, f"lines ({second.stderr!r})")
        vm.hang_up()
        vm.expect_runs()
        vm.end()


@case()
def a_socket_that_a_killed_instance_left_is_replaced():
    with Vm() as vm:
        vm.process.kill()
        vm.wait()
        expect(os.path.exists(vm.path), "a killed process cannot have removed its socket")
        with Vm("--api-sock", vm.path, connects=False) as next_one:
            next_one.path = vm.path
            next_one.client = next_one.connect()
            next_one.start()
            next_one.expect_runs()
            next_one.end()


@case()
def of_instances_that_start_at_once_one_has_the_socket():
    for _ in range(10):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "api")
            started = [
                subprocess.Popen(
                    [program(), "--api-sock", path],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
                for _ in range(6)
            ]
            try:
                give_up = time.monotonic() + TIME_LIMIT_S
                while sum(process.poll() is None for process in started) > 1:
                    expect(time.monotonic() < give_up, "more than one instance runs")
                    time.sleep(0.01)
                expect(any(process.poll() is None for process in started), "none of the instances runs")
                with connect(path) as client:
                    expect_equal(client.request("GET", "/").data["state"], "Not started", "state")
            finally:
                for process in started:
                    process.kill()
                    process.wait()


@case()
def what_is_no_socket_is_not_replaced():
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "precious")
        path.write_bytes(b"data")
        expect(mayfly("--api-sock", str(path)).returncode in (1, 153), "status with a file in the place of the socket")
        expect_equal(path.read_bytes(), b"data", "the file")
        for other in (folder, f"{folder}/absent/api", f"{folder}/{'a' * 200}"):
            result = mayfly("--api-sock", other)
            expect(result.returncode in (1, 153) and b"api" in result.stderr, f"{other}: {result}")


@case()
def the_socket_is_firecrackers_unless_a_flag_says_otherwise():
    if os.geteuid() != 0:
        raise Skipped("a /run of one's own needs root")
    command = ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs none /run && exec "$0" --id usual', program()]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        path, give_up = f"/proc/{process.pid}/root/run/firecracker.socket", time.monotonic() + TIME_LIMIT_S
        while not os.path.exists(path):
            expect(process.poll() is None, f"it has ended: {process.stderr.read() if process.poll() else b''!r}")
            expect(time.monotonic() < give_up, "no socket")
        with connect(path) as client:
            expect_equal(client.request("GET", "/").data["state"], "Not started", "state")
    finally:
        process.kill()
        process.communicate()


@case()
def the_exit_status_is_the_guests():
    for words, status in (("exit=0", 0), ("exit=7", 7), ("exit=255", 255), ("reset", 0), ("poweroff", 0), ("crash", 1)):
        with Vm() as vm:
            vm.start(f"silent {words}")
            expect_equal(vm.wait(), status, f"status of {words} ({vm.stderr()!r})")
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        for started in (False, True):
            with Vm() as vm:
                if started:
                    vm.start()
                    vm.ping()
                vm.process.send_signal(number)
                expect_equal(vm.wait(), 128 + number, f"status after signal {number}, started: {started}")


@case()
def a_paused_guest_stands_still():
    with Vm() as vm:
        vm.start()
        vm.ping()
        for _ in range(20):
            vm.pause()
            expect_equal(vm.state(), "Paused", "state")
            vm.type(b"while paused")
            time.sleep(0.02)
            expect_equal(vm.output, b"", "output while paused")
            vm.resume()
            vm.read_until(b"while paused")
        vm.pause()
        vm.pause()  # as often as one likes
        vm.resume()
        vm.resume()
        vm.pause()
        vm.terminate()


@case(when="usual", unsanitized="each of its processes does what that of any other case does")
def twenty_vms_at_once():
    vms = []
    try:
        for _ in range(20):
            vms.append(Vm())
        for step in (
            lambda vm: vm.start(),
            lambda vm: vm.ping(),
            lambda vm: vm.pause(),
            lambda vm: expect_equal(vm.state(), "Paused", "state"),
            lambda vm: vm.resume(),
            lambda vm: vm.ping(),
            lambda vm: vm.end(),
        ):
            for vm in vms:
                step(vm)
    finally:
        for vm in vms:
            vm.__exit__()


@case(alone="it compares the mounts of the host")
def in_mayfly_jailers_jail():
    with Base() as base:
        file = the_static_program()
        root = base.jail("api", file) / "root"
        root.mkdir(parents=True)
        with Vm("--version", connects=False) as kernel_of_it:
            for name, data in (("kernel", pathlib.Path(kernel_of_it.kernel).read_bytes()), ("disk", bytes(65536))):
                (root / name).write_bytes(data)
                os.chown(root / name, UID, GID)
        process = base.start("api", file, "--", "--api-sock", "/run/api.socket")
        path, give_up = str(root / "run/api.socket"), time.monotonic() + TIME_LIMIT_S
        try:
            while not os.path.exists(path):
                expect(process.poll() is None and time.monotonic() < give_up, "no socket in the jail")
            with connect(path) as client:
                expect_equal(client.request("GET", "/").data["id"], "api", "the jail's id, which the monitor is told")
                boot = {"kernel_image_path": "/kernel", "boot_args": "silent disk-sum=1 exit=11"}
                for route, body in (
                    ("/boot-source", boot),
                    ("/drives/a", {"drive_id": "a", "is_root_device": False, "path_on_host": "/disk"}),
                    ("/actions", {"action_type": "InstanceStart"}),
                ):
                    response = client.request("PUT", route, body)
                    expect_equal(response.status, 204, f"{route} ({response})")
            expect_equal(process.wait(TIME_LIMIT_S), 11, "status")
        finally:
            if process.poll() is None:
                process.kill()
            out, errors = process.communicate()
        expect(re.search(rb"disk-sum: 4096 bytes", out), f"output: {out!r} {errors!r}")


@case(needs_kvm=False)
def wrong_flags_have_status_153():
    for words, named in (
        (["--api-sock"], "--api-sock"),
        (["--api-sok", "x"], "--api-sok"),
        (["--api-fd", "x"], "--api-fd"),
        (["--api-fd", "-1"], "--api-fd"),
        (["--no-api"], "--config-file"),
        (["--level", "Loud"], "--level"),
        (["--api-sock", "a", "--api-sock", "b"], "--api-sock"),
        (["--api-sock", "a", "--no-api"], "--no-api"),
        (["--api-sock", "a", "--api-fd", "3"], "--api-fd"),
        (["--id", "a b"], "--id"),
        (["--id", ""], "--id"),
        (["--id", "a" * 65], "--id"),
        (["--hold"], "--hold"),
        (["--ready-fd", "x"], "--ready-fd"),
        (["--http-api-max-payload-size", "x"], "--http-api-max-payload-size"),
        (["--no-seccomp", "--seccomp-filter", "x"], "--seccomp-filter"),
        (["--id", "a", "stray"], "stray"),
    ):
        result = mayfly(*words)
        expect_equal(result.returncode, 153, f"status of {words} ({result.stderr!r})")
        lines = result.stderr.decode().splitlines()
        expect(len(lines) == 1 and lines[0].startswith("mayfly: "), f"{words}: {result.stderr!r}")
        expect(named in lines[0], f"{words}: {named!r} is not in {lines[0]!r}")
        expect_equal(result.stdout, b"", f"{words}: stdout")


@case()
def the_id_is_the_one_that_was_given():
    with Vm("--api-sock", "{folder}/api", "--id", "my-vm-1") as vm:
        expect_equal(vm.get("/")["id"], "my-vm-1", "id")
        expect_equal(vm.get("/")["app_name"], "Mayfly", "name")
        expect(vm.get("/version")["mayfly_version"].encode() in mayfly("--version").stdout, "version")


ABSENT = {
    "/entropy": {},
    "/balloon": {"amount_mib": 1, "deflate_on_oom": True},
    "/vsock": {"guest_cid": 3, "uds_path": "v.sock"},
    "/mmds": {"a": "b"},
    "/mmds/config": {"network_interfaces": ["eth0"]},
    "/metadata": {},
    "/cpu-config": {},
}
ABSENT_CHOICES = {"cpu_template": "T2S", "track_dirty_pages": True}


@case()
def what_mayfly_does_not_have_can_be_accepted():
    """With a warning each; without the flag it is refused, and some of it is with the flag as well."""
    with Vm() as strict, Vm("--api-sock", "{folder}/api", "--accept-absent") as lax:
        for path, body in ABSENT.items():
            expect_equal(strict.request("PUT", path, body).status, 400, path)
            lax.do("PUT", path, body)
            name = path.removesuffix("/config").encode()
            expect(name + b": accepted" in lax.stderr(), f"no warning for {path}")
            expect_equal(lax.request("GET", path).status, 400, f"GET {path}")
            expect_equal(lax.request("PUT", path, "{").status, 400, f"no JSON for {path}")
        for field, value in ABSENT_CHOICES.items():
            body = {"vcpu_count": 1, "mem_size_mib": 64, field: value}
            expect_equal(strict.request("PUT", "/machine-config", body).status, 400, field)
            lax.do("PUT", "/machine-config", body)
            expect(field.encode() + b": accepted" in lax.stderr(), f"no warning for {field}")
        for field in ("cpu_template", "huge_pages"):
            for value in ("", "other"):
                body = {"vcpu_count": 1, "mem_size_mib": 64, field: value}
                expect_equal(lax.request("PUT", "/machine-config", body).status, 400, f"{field}: {value!r}")
        for path in ("/pmem/a", "/hotplug/memory"):
            expect_equal(lax.request("PUT", path, {}).status, 400, path)
        lax.start()
        lax.expect_runs()


@case()
def a_file_can_accept_what_mayfly_does_not_have():
    parts = {"entropy": {}, "vsock": {"guest_cid": 3, "uds_path": "v"}, "mmds-config": {"network_interfaces": []}}
    for accepts, status in ((True, 0), (False, 152)):
        with tempfile.TemporaryDirectory() as folder:
            kernel = {"kernel_image_path": kernel_of(folder), "boot_args": "silent"}
            path = os.path.join(folder, "vm.json")
            with open(path, "w", encoding="ascii") as file:
                json.dump({"boot-source": kernel, "accept-absent": accepts, **parts}, file)
            result = mayfly("--no-api", "--config-file", path)
            expect_equal(result.returncode, status, f"status ({result.stderr!r})")
            warned = all(part.encode() + b": accepted" in result.stderr for part in parts)
            expect_equal(warned, accepts, f"warnings ({result.stderr!r})")
