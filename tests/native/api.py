"""Firecracker mode by its socket: curl and HTTP clients as users have them, and the ways to a socket."""
import http.client
import json
import os
import pathlib
import select
import shutil
import socket
import subprocess
import tempfile
import time

from kit import TIME_LIMIT_S, Skipped, build_folder, case, expect, expect_equal, mayfly
from kit.api import Client, connect, request_bytes
from kit.build import stand_in
from vm import ECHO, STATUS_HUNG_UP, Vm
from api_files import Files
from devices import Tap

MAX_BODY = 51200


def curl(vm, method, path, body=None, *flags):
    """Status and body, by the program that Firecracker's documentation uses."""
    if shutil.which("curl") is None:
        raise Skipped("curl is not installed")
    data = [] if body is None else ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
    command = [
        "curl",
        "-sS",
        "--unix-socket",
        vm.path,
        "-X",
        method,
        *data,
        *flags,
        "-w",
        "\n%{http_code}",
        "http://localhost" + path,
    ]
    done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
    expect_equal((done.returncode, done.stderr), (0, b""), f"curl {method} {path}")
    text, status = done.stdout.decode().rsplit("\n", 1)
    return int(status), text


def expect_done(vm, method, path, body, *flags):
    expect_equal(curl(vm, method, path, body, *flags), (204, ""), f"curl {method} {path} {body}")


def set_up_by_curl(vm):
    """The steps of Firecracker's page for beginners, up to the start."""
    log = {"log_path": vm.file("log"), "level": "Debug", "show_level": True, "show_log_origin": True}
    expect_done(vm, "PUT", "/logger", log)
    expect_done(vm, "PUT", "/metrics", {"metrics_path": vm.file("metrics")})
    expect_done(vm, "PUT", "/boot-source", {"kernel_image_path": vm.kernel, "boot_args": ECHO})
    expect_done(vm, "PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 256})
    limits = {"bandwidth": {"size": 1 << 20, "refill_time": 100}, "ops": {"size": 1000, "refill_time": 1000}}
    expect_done(
        vm,
        "PUT",
        "/drives/rootfs",
        {
            "drive_id": "rootfs",
            "path_on_host": vm.file("rootfs", bytes(65536)),
            "is_root_device": True,
            "is_read_only": False,
            "rate_limiter": limits,
        },
    )


@case()
def firecrackers_first_steps_by_curl():
    with Vm() as vm:
        set_up_by_curl(vm)
        expect_done(vm, "PUT", "/actions", {"action_type": "InstanceStart"})
        vm.ping()
        expect_done(vm, "PATCH", "/vm", {"state": "Paused"})
        expect_equal(json.loads(curl(vm, "GET", "/")[1])["state"], "Paused", "state")
        expect_done(vm, "PATCH", "/vm", {"state": "Resumed"})
        vm.ping()
        limits = {"bandwidth": {"size": 2 << 20, "refill_time": 50}}
        expect_done(vm, "PATCH", "/drives/rootfs", {"drive_id": "rootfs", "rate_limiter": limits})
        expect_done(
            vm, "PATCH", "/drives/rootfs", {"drive_id": "rootfs", "path_on_host": vm.file("other", bytes(131072))}
        )
        expect_done(vm, "PUT", "/actions", {"action_type": "FlushMetrics"})
        drive = json.loads(curl(vm, "GET", "/vm/config")[1])["drives"][0]
        found = drive["rate_limiter"]
        expect_equal(found["bandwidth"]["size"], 2 << 20, "bandwidth after the PATCH")
        expect_equal(found["ops"]["size"], 1000, "ops, which the PATCH did not name")
        expect(drive["path_on_host"].endswith("/other"), f"path after the PATCH: {drive}")
        status, text = curl(vm, "PUT", "/vsock", {"guest_cid": 3, "uds_path": "/x"})
        expect(status == 400 and json.loads(text)["fault_message"], f"/vsock: {status} {text}")
        vm.end()


@case()
def firecrackers_first_network_by_curl():
    with Tap("api0") as tap, Vm() as vm:
        set_up_by_curl(vm)
        nic = {"iface_id": "net1", "guest_mac": "06:00:AC:10:00:02", "host_dev_name": tap}
        expect_done(vm, "PUT", "/network-interfaces/net1", nic)
        expect_done(vm, "PUT", "/boot-source", {"kernel_image_path": vm.kernel, "boot_args": f"send-frames=100 {ECHO}"})
        expect_done(vm, "PUT", "/actions", {"action_type": "InstanceStart"})
        vm.read_until(b"send-frames: 100 of 64 bytes")
        frames = pathlib.Path(f"/sys/class/net/{tap}/statistics/rx_packets").read_text()
        expect_equal(int(frames), 100, "frames that arrived at the TAP")
        limits = {"ops": {"size": 5, "refill_time": 1000, "one_time_burst": 7}}
        expect_done(vm, "PATCH", "/network-interfaces/net1", {"iface_id": "net1", "tx_rate_limiter": limits})
        expect_equal(vm.get("/vm/config")["network-interfaces"][0]["tx_rate_limiter"]["ops"]["size"], 5, "limit")
        vm.end()


@case()
def a_tap_that_is_missing_is_made_and_goes_with_the_vm():
    with Tap("probe"):  # or there is a reason to skip
        pass
    name = f"mf{os.getpid()}new"
    place = pathlib.Path("/sys/class/net", name)
    nic = {"iface_id": "n", "host_dev_name": name}
    with Vm() as vm:
        vm.do("PUT", "/network-interfaces/n", nic)
        expect(place.exists(), "there is no such interface after the PUT")
        vm.start(f"send-frames=10 {ECHO}")
        subprocess.run(["ip", "link", "set", name, "up"], check=True)
        vm.end()
    give_up = time.monotonic() + TIME_LIMIT_S
    while place.exists():  # the kernel gives back the files of a ring a little later
        expect(time.monotonic() < give_up, "the interface has outlived its VM")
        time.sleep(0.01)
    ours, theirs = socket.socketpair()
    unprivileged = {"user": 65534, "group": 65534, "extra_groups": []}
    with Vm("--api-fd", str(theirs.fileno()), connects=False, pass_fds=[theirs.fileno()], **unprivileged) as vm:
        theirs.close()
        vm.client = Client(ours)
        vm.refuse("PUT", "/network-interfaces/n", nic, name, "does not exist", "ip tuntap add")
        expect(not place.exists(), "somebody without rights has made an interface")


@case()
def curl_waits_for_100_continue_and_gets_it():
    with Vm() as vm:
        kept = ["-H", "Expect: 100-continue", "--expect100-timeout", str(TIME_LIMIT_S)]
        expect_done(vm, "PUT", "/machine-config", {"vcpu_count": 2, "mem_size_mib": 64}, *kept)
        expect_equal(vm.get("/machine-config")["vcpu_count"], 2, "virtual CPUs")


class Connection(http.client.HTTPConnection):
    """Python's own client, on the socket."""

    def __init__(self, path):
        super().__init__("localhost", timeout=TIME_LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = connect(self.path).socket

    def ask(self, method, path, body=None, headers=None):
        self.request(method, path, body, headers or {})
        response = self.getresponse()
        return response.status, response.read()


@case()
def pythons_client_keeps_one_connection():
    with Vm() as vm:
        connection = Connection(vm.path)
        connection.connect()
        first = connection.sock
        for number in range(1, 33):
            body = json.dumps({"vcpu_count": number, "mem_size_mib": 64})
            expect_equal(connection.ask("PUT", "/machine-config", body), (204, b""), "PUT")
            status, text = connection.ask("GET", "/machine-config")
            expect_equal((status, json.loads(text)["vcpu_count"]), (200, number), "GET")
            expect_equal(connection.ask("PUT", "/machine-config", "{}")[0], 400, "a PUT that fails")
        expect(connection.sock is first, "the connection was closed in between")
        connection.close()


@case()
def connections_close_when_the_client_says_so():
    with Vm() as vm:
        for headers, version, stays in (
            ("", "1.1", True),
            ("Connection: close\r\n", "1.1", False),
            ("", "1.0", True),  # as Firecracker: a library for it speaks HTTP/1.0 on one connection
            ("Connection: close\r\n", "1.0", False),
            ("connection: CLOSE\r\n", "1.1", False),
            ("Connection: keep-alive\r\n", "1.0", True),
        ):
            with connect(vm.path) as client:
                client.send(f"GET /version HTTP/{version}\r\n{headers}\r\n".encode())
                expect_equal(client.response().status, 200, f"HTTP/{version} {headers}")
                if stays:
                    expect_equal(
                        client.request("GET", "/version").status, 200, f"HTTP/{version} {headers}: a second request"
                    )
                else:
                    client.expect_closed(f"HTTP/{version} {headers}")


@case()
def pipelined_requests_are_answered_in_order():
    with Vm() as vm, connect(vm.path) as client:
        data = b""
        for number in range(1, 33):
            data += request_bytes("PUT", "/machine-config", {"vcpu_count": number, "mem_size_mib": 64})
            data += request_bytes("GET", "/machine-config") + request_bytes("PUT", "/machine-config", "[]")
        client.send(data)
        for number in range(1, 33):
            expect_equal(client.response().status, 204, f"status {number}")
            expect_equal(client.response().data["vcpu_count"], number, "virtual CPUs")
            expect_equal(client.response().status, 400, f"status {number}")


@case()
def a_body_is_asked_for_when_the_client_expects_that():
    with Vm() as vm:
        body = b'{"vcpu_count": 2, "mem_size_mib": 64}'
        head = "PUT /machine-config HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n"
        with connect(vm.path) as client:
            client.send(head.format(len(body)).encode())
            expect_equal(client.response().status, 100, "interim status")
            client.send(body)
            expect_equal(client.response().status, 204, "status")
            client.send(head.format(MAX_BODY + 1).encode())
            expect_equal(client.response().status, 400, "status of what is too long, which nobody asks for")
            client.expect_closed("after it")


def chunked(*pieces, trailers=b""):
    """A PUT /machine-config whose body is these pieces."""
    head = b"PUT /machine-config HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    return head + b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (*pieces, b""))[:-2] + trailers + b"\r\n"


@case()
def a_body_in_chunks_is_read_up_to_the_limit():
    with Vm() as vm, connect(vm.path) as client:
        body = b'{"vcpu_count": 3, "mem_size_mib": 64}'
        for data in (
            chunked(body),
            chunked(*(body[at : at + 1] for at in range(len(body)))),
            chunked(body, trailers=b"A: b\r\n"),
            chunked(body).replace(b"\r\n{", b';name="value"\r\n{'),
            chunked(body.ljust(MAX_BODY - 1), b" "),
        ):
            client.send(data)
            expect_equal(client.response().status, 204, f"status of {data[:120]}")
            expect_equal(client.request("GET", "/machine-config").data["vcpu_count"], 3, "virtual CPUs")
        client.send(chunked(body.ljust(MAX_BODY), b" "))
        response = client.response()
        expect_equal(response.status, 400, f"status past the limit ({response})")
        expect("--http-api-max-payload-size" in response.fault, f"message: {response.fault}")
        client.expect_closed("after a body that is too long")


@case()
def a_body_with_two_lengths_is_refused():
    with Vm() as vm:
        for fields in ("Content-Length: 2\r\nTransfer-Encoding: chunked", "Transfer-Encoding: gzip, chunked"):
            with connect(vm.path) as client:
                head = f"PUT /machine-config HTTP/1.1\r\n{fields}\r\n\r\n".encode()
                client.send(head + b"2\r\n{}\r\n0\r\n\r\n" + request_bytes("GET", "/version"))
                expect_equal(client.response().status, 400, f"status with {fields}")
                client.expect_closed(f"after {fields}")


NODE = """
const http = require("http");
const agent = new http.Agent({keepAlive: true, maxSockets: 1});
function ask(method, path, body, then) {
  const options = {socketPath: process.argv[2], method, path, agent};
  const request = http.request(options, (response) => {
    let text = "";
    response.on("data", (piece) => { text += piece; });
    response.on("end", () => { console.log(response.statusCode, text); then(); });
  });
  if (body) request.write(body.slice(0, 9)), request.write(body.slice(9));
  request.end();
}
const machine = JSON.stringify({vcpu_count: 5, mem_size_mib: 64});
ask("PUT", "/machine-config", machine, () => ask("PATCH", "/machine-config", '{"vcpu_count": 6}',
  () => ask("GET", "/machine-config", null, () => agent.destroy())));
"""


@case()
def nodes_client_sends_its_bodies_in_chunks():
    if shutil.which("node") is None:
        raise Skipped("node is not installed")
    with Vm() as vm:
        command = ["node", vm.file("client.js", NODE.encode()), vm.path]
        done = subprocess.run(command, capture_output=True, timeout=TIME_LIMIT_S, check=False)
        expect_equal((done.returncode, done.stderr), (0, b""), "node")
        first, second, third = done.stdout.decode().splitlines()
        expect_equal((first, second, third[:4]), ("204 ", "204 ", "200 "), "statuses")
        expect_equal(json.loads(third[4:])["vcpu_count"], 6, "virtual CPUs")


@case()
def an_answer_to_head_is_the_last_one():
    """It has a body, which a client that sent HEAD takes for the next response."""
    with Vm() as vm, connect(vm.path) as client:
        client.send(b"HEAD / HTTP/1.1\r\n\r\n" + request_bytes("GET", "/version"))
        expect_equal(client.response().status, 400, "status")
        client.expect_closed("after HEAD")


def padded(size):
    return b'{"vcpu_count": 2, "mem_size_mib": 64}'.ljust(size)


@case()
def a_body_is_as_long_as_the_limit_and_no_longer():
    for flags, limit in (
        ([], MAX_BODY),
        (["--http-api-max-payload-size", "1000"], 1000),
        (["--http-api-max-payload-size", "200000"], 200_000),
    ):
        with Vm("--api-sock", "{folder}/api", *flags) as vm:
            expect_equal(vm.client.request("PUT", "/machine-config", padded(limit)).status, 204, f"status at {limit}")
            response = vm.client.request("PUT", "/machine-config", padded(limit + 1))
            expect_equal(response.status, 400, f"status past {limit} ({response})")
            expect(response.fault, "no fault message")
            vm.client.expect_closed("after it")
            vm.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})


@case()
def an_inherited_listening_socket_serves():
    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"{folder}/api")
        listening.listen(10)
        early = connect(f"{folder}/api")  # before the monitor is there
        early.send(request_bytes("GET", "/version"))
        with Vm("--api-fd", str(listening.fileno()), connects=False, pass_fds=[listening.fileno()]) as vm:
            vm.path = f"{folder}/api"
            expect_equal(early.response().status, 200, "status of the early client")
            early.socket.close()
            vm.client = vm.connect()
            vm.start()
            vm.expect_runs()
            vm.end()


@case()
def an_inherited_connection_is_the_only_client_and_owns_the_vm():
    ours, theirs = socket.socketpair()
    with Vm("--api-fd", str(theirs.fileno()), connects=False, pass_fds=[theirs.fileno()]) as vm:
        theirs.close()
        vm.client = Client(ours)
        vm.start()
        vm.ping()
        vm.pause()
        vm.resume()
        vm.ping()
        vm.end()
    for path in (None, str(build_folder() / "lib/mayfly/firecracker/firecracker")):
        for steps in ([], ["start"], ["start", "pause"]):
            expect_ends_with_its_client(path, steps)


def expect_ends_with_its_client(path, steps):
    ours, theirs = socket.socketpair()
    stand_in(path)
    try:
        vm = Vm("--api-fd", str(theirs.fileno()), connects=False, pass_fds=[theirs.fileno()])
    finally:
        stand_in(None)
    with vm:
        theirs.close()
        vm.client = Client(ours)
        expect_equal(vm.state(), "Not started", "state")
        metrics = vm.file("metrics")
        vm.do("PUT", "/metrics", {"metrics_path": metrics})
        for step in steps:
            getattr(vm, step)()
        vm.hang_up()
        expect_equal(vm.wait(), STATUS_HUNG_UP, f"status when it hangs up after {steps} of {path} ({vm.stderr()!r})")
        expect_equal(vm.stderr(), b"", f"the log after {steps} of {path}")
        hangups = [json.loads(line)["signals"]["sighup"] for line in pathlib.Path(metrics).read_text().splitlines()]
        expect_equal(sum(hangups), 0, f"SIGHUPs counted after {steps} of {path}")


@case()
def descriptors_that_are_no_sockets_are_refused():
    reader, writer = os.pipe()
    for descriptor in (reader, writer, 999):
        result = mayfly("--api-fd", str(descriptor), pass_fds=[reader, writer])
        expect(result.returncode in (1, 153), f"status with --api-fd {descriptor}: {result.returncode}")
        expect(b"--api-fd" in result.stderr, f"line: {result.stderr!r}")
    os.close(reader)
    os.close(writer)


def read_line(descriptor):
    """Up to a newline, or the end; never for ever."""
    line = b""
    while not line.endswith(b"\n"):
        ready, _, _ = select.select([descriptor], [], [], TIME_LIMIT_S)
        expect(ready, f"nothing more comes after {line!r}")
        byte = os.read(descriptor, 1)
        if not byte:
            break
        line += byte
    return line


@case()
def readiness_is_told_line_by_line():
    reader, writer = os.pipe()
    with Vm("--api-sock", "{folder}/api", "--ready-fd", str(writer), connects=False, pass_fds=[writer]) as vm:
        os.close(writer)
        expect_equal(read_line(reader), b"api\n", "first line")
        vm.client = connect(vm.path)  # at once
        vm.start()
        expect_equal(read_line(reader), b"guest\n", "second line")
        vm.ping()
        vm.end()
        expect_equal(read_line(reader), b"", "what follows, to the end")
    os.close(reader)
    ours, theirs = socket.socketpair()
    with ours, Files() as files, theirs:
        path = files.write(files.configuration("silent boot-signal exit=6"))
        result = mayfly(
            "--no-api", "--config-file", path, "--ready-fd", str(theirs.fileno()), pass_fds=[theirs.fileno()]
        )
        expect_equal((result.returncode, result.stderr), (6, b""), "status without an API")
        theirs.close()
        expect_equal(read_line(ours.fileno()), b"guest\n", "the line without an API")
