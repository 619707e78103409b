"""What clients cost the process: memory, descriptors and processor time have a bound, and running out is no end."""
import os
import pathlib
import resource
import signal
import time

from kit import Skipped, case, expect, expect_equal, is_sanitized
from kit.api import connect, request_bytes
from vm import Vm

FEW = 40  # open files
CONNECTIONS = 64  # that many are kept


def with_few_files():
    """In the child."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (FEW, FEW))


def resident_kib(vm):
    status = pathlib.Path(f"/proc/{vm.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def open_files(vm):
    """Where the process's descriptors lead to."""
    folder = f"/proc/{vm.process.pid}/fd"
    return [os.readlink(f"{folder}/{number}") for number in os.listdir(folder)]


def cpu_seconds(vm, thread):
    """What the thread of this name has used so far."""
    for task in pathlib.Path(f"/proc/{vm.process.pid}/task").iterdir():
        if (task / "comm").read_text().strip() == thread:
            user, system = (task / "stat").read_text().rsplit(") ", 1)[1].split()[11:13]
            return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")
    raise AssertionError(f"no thread is called {thread}")


def wait_until_still(vm, thread):
    """What was asked before takes its time, under a sanitizer much of it; then there is nothing left to do."""
    used = 0.0
    for _ in range(30):
        before = cpu_seconds(vm, thread)
        time.sleep(1)
        used = cpu_seconds(vm, thread) - before
        if used < 0.25:
            return
    raise AssertionError(f"{used} s of a second, while nobody asks for anything")


@case(when="usual")
def more_clients_than_open_files_are_served_in_turn():
    with Vm(preexec_fn=with_few_files) as vm:
        vm.start()
        idle = []
        for _ in range(3 * FEW):
            idle.append(connect(vm.path))
            with connect(vm.path) as client:
                expect_equal(client.request("GET", "/version").status, 200, "status")
        for client in idle:
            client.socket.close()
        vm.expect_runs()
        vm.end()


@case()
def more_drives_than_open_files_are_refused():
    with Vm(preexec_fn=with_few_files) as vm:
        before = len(os.listdir(f"/proc/{vm.process.pid}/fd"))
        idle = [connect(vm.path) for _ in range(FEW - before - 2)]
        statuses = []
        for number in range(19):
            path = vm.file(f"d{number}", bytes(4096))
            body = {"drive_id": f"d{number}", "is_root_device": False, "path_on_host": path}
            statuses.append(vm.request("PUT", f"/drives/d{number}", body).status)
        expect(set(statuses) <= {204, 400}, f"statuses: {statuses}")
        expect(400 in statuses, f"no drive was refused: {statuses}")
        expect_equal(len(vm.get("/vm/config")["drives"]), statuses.count(204), "drives")
        for client in idle:
            client.socket.close()
        vm.get("/version")


@case()
def requests_leave_no_memory_behind():
    if is_sanitized():
        raise Skipped("a sanitizer keeps what was freed")
    with Vm() as vm:
        vm.start()
        vm.ping()
        path = vm.file("disk", bytes(4096))
        one_of_each = b"".join(
            [
                request_bytes("GET", "/vm/config"),
                request_bytes("GET", "/metrics/prometheus"),
                request_bytes("GET", "/nothing"),
                request_bytes("PUT", "/drives/d", {"drive_id": "d", "is_root_device": False, "path_on_host": path}),
                request_bytes("PATCH", "/vm", {"state": "Resumed"}),
                request_bytes("PUT", "/boot-source", "{" * 1000),
                request_bytes("PUT", "/logger", {"level": "Info", "module": "a" * 1000}),
            ]
        )

        def ask(times):
            for _ in range(times):
                vm.client.send(one_of_each)
                for _ in range(7):
                    vm.client.response()

        ask(200)
        before = resident_kib(vm)
        ask(2000)
        grown = resident_kib(vm) - before
        expect(grown < 512, f"14000 requests cost {grown} KiB")
        vm.end()


@case()
def setting_the_log_again_and_again_has_a_bound():
    with Vm() as vm:
        for number in range(200):
            vm.request("PUT", "/logger", {"log_path": vm.file(f"log{number}"), "module": "a" * 1000})
        files = [path for path in open_files(vm) if os.path.basename(path).startswith("log")]
        expect(1 <= len(files) <= 16, f"200 requests, and {len(files)} open log files")
        vm.start()
        vm.expect_runs()
        vm.end()


@case()
def configuring_again_and_again_costs_nothing():
    with Vm() as vm:
        paths = [vm.file(f"disk{number}", bytes(4096)) for number in range(2)]

        def ask(times):
            for number in range(times):
                vm.configure()
                body = {"drive_id": "d", "is_root_device": False, "path_on_host": paths[number % 2]}
                vm.do("PUT", "/drives/d", body)
                vm.do("PUT", "/serial", {"serial_out_path": vm.file("serial")})
                if number % 10 == 0:  # what is in use is waited for
                    vm.refuse("PUT", "/drives/e", {**body, "drive_id": "e"}, "another drive")

        ask(5)
        before = len(open_files(vm)), resident_kib(vm)
        ask(100)
        after = len(open_files(vm)), resident_kib(vm)
        expect(after[0] <= before[0] + 1, f"open files: {before[0]}, then {after[0]}")
        expect(is_sanitized() or after[1] - before[1] < 512, f"resident KiB: {before[1]}, then {after[1]}")
        vm.do("PUT", "/serial", {})
        vm.action("InstanceStart")
        vm.expect_runs()
        vm.end()


@case()
def clients_that_wait_cost_no_processor_time():
    with Vm() as vm:
        vm.start()
        vm.ping()
        waiting = []
        for data in (
            b"",
            b"GET / HTTP/1.1\r\nHost:",
            request_bytes("GET", "/"),
            b"garbage\r\n\r\n",
            request_bytes("GET", "/") * 2000,
        ):
            for _ in range(CONNECTIONS // 8):
                client = connect(vm.path)
                client.socket.setblocking(False)
                try:
                    client.socket.send(data)
                except BlockingIOError:
                    pass
                waiting.append(client)
        vm.expect_runs()
        wait_until_still(vm, "api")
        for client in waiting:
            client.socket.close()
        vm.expect_runs()
        vm.end()


@case()
def a_stopped_process_serves_when_it_goes_on():
    with Vm() as vm:
        vm.start()
        vm.ping()
        vm.process.send_signal(signal.SIGSTOP)
        clients = [connect(vm.path) for _ in range(10)]
        for client in clients:
            client.send(request_bytes("GET", "/version"))
        vm.process.send_signal(signal.SIGCONT)
        for client in clients:
            expect_equal(client.response().status, 200, "status")
            client.socket.close()
        vm.expect_runs()
        vm.end()
