"""Clients of every temper on the API socket. After each of them the VM runs, and the next client is served."""
import array
import concurrent.futures
import os
import random
import resource
import socket
import time

from kit import TIME_LIMIT_S, case, expect, expect_equal
from kit.api import Client, connect, request_bytes
from vm import STATUS_HUNG_UP, Vm

CONNECTIONS = 64  # that many are kept
PATCH = ("PATCH", "/vm", {"state": "Resumed"})


class Victim(Vm):
    """A VM that runs. When the case ends it must still run, serve, and have no more descriptors than at first."""

    def __enter__(self):
        self.start()
        self.ping()
        self.hang_up()
        self.descriptors = self.count_descriptors(None)
        return self

    def __exit__(self, failed, *more):
        try:
            if failed is None:
                self.unharmed()
                self.hang_up()
                found = self.count_descriptors(self.descriptors)
                expect_equal(found, self.descriptors, "open files of the process, after as many as before")
                self.end()
        finally:
            super().__exit__(failed, *more)

    def count_descriptors(self, wanted):
        """How many it has, after a while in which they may become `wanted`, or stay the same twice."""
        give_up, before = time.monotonic() + TIME_LIMIT_S, -1
        while True:
            found = len(os.listdir(f"/proc/{self.process.pid}/fd"))
            if found in (wanted, before if wanted is None else wanted) or time.monotonic() > give_up:
                return found
            before = found
            time.sleep(0.05)

    def unharmed(self):
        self.hang_up()
        self.expect_runs()

    def hostile(self, data, *statuses, half_close=False, label=None):
        """Sends it, and reads to the end what comes: a failure of one of the statuses and the end, or the end alone."""
        what = label or repr(data[:60])
        with connect(self.path) as client:
            send_what_goes(client, data)
            if half_close:
                client.socket.shutdown(socket.SHUT_WR)
            response = client.response()
            if statuses:
                expect(response, f"{what}: no response")
                expect(response.status in statuses, f"{what}: {response} instead of {' or '.join(map(str, statuses))}")
                expect(response.fault, f"{what}: no fault message in {response}")
                client.expect_closed(what)
            else:
                expect(response is None or response.status >= 400, f"{what}: {response}")
        expect_equal(self.process.poll(), None, f"{what}: the process has ended ({self.stderr()!r})")


def send_what_goes(client, data):
    try:
        client.send(data)
    except (BrokenPipeError, ConnectionResetError):  # it has heard enough
        pass


@case()
def garbage_is_answered_and_the_connection_closed():
    generator = random.Random(1)
    with Victim() as vm:
        for data in (
            b"\r\n\r\n\r\nGET\r\n\r\n",
            b"hello\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"GET / HTTP/3.0\r\n\r\n",
            b"GET / HTTP/1.1 \r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b" GET / HTTP/1.1\r\n\r\n",
            b"GET / http/1.1\r\n\r\n",
            b"/ GET HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\n: empty\r\n\r\n",
            b"GET / HTTP/1.1\r\nname : blank\r\n\r\n",
            b"GET / HTTP/1.1\r\na\x01b: 1\r\n\r\n",
        ):
            vm.hostile(data, 400)
        for _ in range(200):
            vm.hostile(generator.randbytes(generator.randrange(1, 2000)) + b"\r\n\r\n", half_close=True)
        vm.unharmed()


@case()
def nul_bytes_end_nothing_early():
    with Victim() as vm:
        for data in (
            b"GET /\0 HTTP/1.1\r\n\r\n",
            b"GET\0 / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\0b\r\n\r\n",
            b"\0" * 5000 + b"\r\n\r\n",
        ):
            vm.hostile(data, 400)
        vm.unharmed()
        vm.refuse("PATCH", "/vm", b'{"state": "Paused"}\0')
        vm.refuse("PATCH", "/vm", b'{"state": "Paused\\u0000"}', "state")
        vm.refuse("PATCH", "/vm", b"\0" * 1000)


@case()
def half_a_request_holds_nobody_up():
    with Victim() as vm:
        halves = [request_bytes(*PATCH)[:-5], b"GET / HT", b"GET / HTTP/1.1\r\nHost:", b"P", b""]
        waiting = [connect(vm.path) for _ in halves]
        for client, half in zip(waiting, halves, strict=True):
            client.send(half)
        vm.unharmed()
        # And it is served when the rest comes.
        waiting[0].send(request_bytes(*PATCH)[-5:])
        expect_equal(waiting[0].response().status, 204, "the half that became whole")
        for client in waiting:
            client.socket.close()


@case()
def a_client_that_leaves_at_any_byte_changes_nothing():
    with Victim() as vm:
        whole = request_bytes("PATCH", "/vm", {"state": "Paused"})
        for cut in range(len(whole)):
            with connect(vm.path) as client:
                client.send(whole[:cut])
            if cut % 10 == 0:
                vm.unharmed()
        for cut in range(len(whole)):
            vm.hostile(whole[:cut], half_close=True)
        vm.unharmed()


@case()
def a_client_that_leaves_before_the_response_harms_nobody():
    with Victim() as vm:
        for _ in range(200):
            with connect(vm.path) as client:
                client.send(request_bytes("GET", "/vm/config"))
        vm.unharmed()
        with connect(vm.path) as client:
            client.send(request_bytes("GET", "/version") * 500)
        vm.unharmed()


@case()
def a_byte_at_a_time_is_a_request_all_the_same():
    with Victim() as vm, connect(vm.path) as client:
        for _ in range(3):
            for byte in request_bytes(*PATCH):
                client.send(bytes([byte]))
            expect_equal(client.response().status, 204, "status")
        for byte in request_bytes("GET", "/version") * 2:
            client.send(bytes([byte]))
        expect_equal([client.response().status, client.response().status], [200, 200], "statuses")


@case()
def a_long_body_is_refused_before_it_is_read():
    with Victim() as vm:
        vm.hostile(request_bytes("PATCH", "/vm", b" " * (10 << 20)), 400, label="10 MiB")
        vm.unharmed()
        for length in (
            "51201",
            "99999999",
            str(1 << 32),
            str((1 << 32) + 5),
            str(1 << 64),
            str((1 << 64) + 5),
            "9" * 1000,
        ):
            head = f"PATCH /vm HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode()
            vm.hostile(head, 400, label=f"a length of {length}")
        vm.unharmed()


@case()
def lengths_that_are_none():
    body = b'{"state": "Paused"}'
    with Victim() as vm:
        for length in ("-1", "", "abc", "0x13", "+19", "1e1", "19, 19", "19,20", "19 19", "19;", "1 9"):
            head = f"PATCH /vm HTTP/1.1\r\nContent-Length: {length}\r\n\r\n".encode()
            vm.hostile(head + body, 400, label=f"Content-Length: {length}")
        for headers in (
            b"Content-Length: 19\r\nContent-Length: 20",
            b"Content-Length: 19\r\nTransfer-Encoding: chunked",
            b"Transfer-Encoding: chunked\r\nContent-Length: 19",
            b"Transfer-Encoding: gzip",
            b"transfer-encoding: identity",
            b"Content-Length\r\n : 19",
        ):
            vm.hostile(b"PATCH /vm HTTP/1.1\r\n" + headers + b"\r\n\r\n" + body, 400, label=repr(headers))
        vm.unharmed()


@case()
def heads_of_any_size_are_refused_in_time():
    with Victim() as vm:
        for label, data in (
            ("a long line", b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n\r\n"),
            ("a long method", b"G" * 200_000 + b" / HTTP/1.1\r\n\r\n"),
            ("a long header", b"GET / HTTP/1.1\r\nX: " + b"a" * 200_000 + b"\r\n\r\n"),
            ("a long name", b"GET / HTTP/1.1\r\n" + b"a" * 200_000 + b": 1\r\n\r\n"),
            ("many headers", b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 50_000 + b"\r\n"),
            ("a line without end", b"a" * (10 << 20)),
            ("a header without end", b"GET / HTTP/1.1\r\nX: " + b"a" * (10 << 20)),
            ("headers without end", b"GET / HTTP/1.1\r\n" + b"X: 1\r\n" * 1_000_000),
        ):
            vm.hostile(data, 400, label=label)
            vm.unharmed()
        vm.hostile(b"\r\n" * 1_000_000, half_close=True, label="empty lines")


@case()
def nesting_of_any_depth_is_refused():
    with Victim() as vm:
        for opened in ("[", '{"a":', '{"state":', '{"state":[', '{"rate_limiter":{"ops":', "[{},"):
            depth = 51_000 // len(opened)
            for body in (opened * depth, opened * 100, '{"state": ' + opened * (depth - 10)):
                vm.refuse("PATCH", "/vm", body)
        vm.refuse("PATCH", "/vm", '{"state": ' + "[" * 25_000 + "]" * 25_000 + "}", "state")
        vm.refuse("PATCH", "/vm", "[" * 25_600 + "]" * 25_600)


@case()
def strings_and_numbers_as_long_as_a_body():
    with Victim() as vm:
        long = "a" * 50_000
        for body in (
            '{"state": "' + long + '"}',
            '{"' + long + '": 1}',
            '{"state": "' + "\\u0041" * 8_000 + '"}',
            '{"state": "' + "\\" * 50_000 + '"}',
            '{"state": ' + "9" * 50_000 + "}",
            '{"state": -' + "0" * 50_000 + "}",
            '{"state": 1e' + "9" * 50_000 + "}",
            '{"state": "Paused"' + ', "x": 1' * 5_000 + "}",
        ):
            vm.refuse("PATCH", "/vm", body)
        vm.refuse("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": "/" + long})
        response = vm.request("GET", "/" + "a" * 4000)
        expect(len(response.body) < 20_000 and response.status == 400, f"answer to a long path: {response}")


@case()
def a_thousand_idle_clients_do_not_shut_others_out():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    idle = []
    try:
        with Victim() as vm:
            for number in range(1000):
                idle.append(connect(vm.path))
                if number % 100 == 99:
                    vm.unharmed()
            kept = [client for client in idle if is_open(client)]
            expect(len(kept) <= CONNECTIONS, f"{len(kept)} idle connections are kept, more than {CONNECTIONS}")
            for client in kept[1:]:  # the last ones: `unharmed` has taken the place of the oldest
                expect_equal(client.request("GET", "/version").status, 200, "status of a connection that was kept")
            for client in idle:
                client.socket.close()
    finally:
        for client in idle:
            client.socket.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def is_open(client):
    client.socket.setblocking(False)
    try:
        return client.socket.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        client.socket.settimeout(TIME_LIMIT_S)


@case()
def the_client_that_speaks_stays_and_the_idle_one_goes():
    with Victim() as vm:
        talker = connect(vm.path)
        expect_equal(talker.request("GET", "/version").status, 200, "status")
        idle = []
        for _ in range(3 * CONNECTIONS):
            idle.append(connect(vm.path))
            expect_equal(talker.request("GET", "/version").status, 200, "status of the one that speaks")
        for client in (talker, *idle):
            client.socket.close()


@case()
def halves_of_many_clients_do_not_shut_others_out():
    with Victim() as vm:
        clients = []
        for _ in range(3 * CONNECTIONS):
            clients.append(connect(vm.path))
            send_what_goes(clients[-1], b"PATCH /vm HTTP/1.1\r\nContent-Length: 50000\r\n\r\n" + b" " * 40_000)
        vm.unharmed()
        for client in clients:
            client.socket.close()


@case()
def a_client_that_never_reads_is_alone_in_waiting():
    one, number = request_bytes("GET", "/vm/config"), 10_000
    with Victim() as vm, connect(vm.path) as client:
        client.socket.setblocking(False)
        data, sent = one * number, 0
        quiet_until = time.monotonic() + 2
        while sent < len(data) and time.monotonic() < quiet_until:
            try:
                sent += client.socket.send(data[sent : sent + 65536])
            except BlockingIOError:
                time.sleep(0.01)
            except (BrokenPipeError, ConnectionResetError):
                break
        vm.unharmed()
        client.socket.settimeout(TIME_LIMIT_S)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            rest = pool.submit(send_what_goes, client, data[sent:])
            read = 0
            while read < number and (response := client.response()):
                expect_equal(response.status, 200, f"status of response {read}")
                read += 1
            rest.result()
        expect_equal(read, number, "responses, in the end")


@case()
def pipelined_requests_in_pieces_of_every_size():
    with Victim() as vm, connect(vm.path) as client:
        data = request_bytes("GET", "/version") + request_bytes(*PATCH) + request_bytes("GET", "/nothing")
        for size in range(1, len(data) + 1, 3):
            for at in range(0, len(data), size):
                client.send(data[at : at + size])
            found = [client.response().status for _ in range(3)]
            expect_equal(found, [200, 204, 400], f"statuses in pieces of {size}")


@case()
def descriptors_that_a_client_passes_are_not_kept():
    with Victim() as vm, connect(vm.path) as client:
        null = os.open("/dev/null", os.O_RDONLY)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null] * 50))]
        for _ in range(20):
            client.socket.sendmsg([request_bytes("GET", "/version")], rights)
            expect_equal(client.response().status, 200, "status")
        os.close(null)
        expect(
            len(os.listdir(f"/proc/{vm.process.pid}/fd")) < vm.descriptors + 50,
            "the descriptors are open in the process",
        )


@case()
def many_clients_at_once_are_all_served():
    def run(path):
        with connect(path) as client:
            for _ in range(200):
                expect_equal(client.request("GET", "/vm/config").status, 200, "status")
                expect_equal(client.request("PUT", "/machine-config", "{}").status, 400, "status")

    with Victim() as vm, concurrent.futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(run, [vm.path] * 16))


@case()
def the_only_client_of_a_socket_pair_may_be_hostile_too():
    """--api-fd with a connection: it is closed after an error, and with its only client the VM ends."""
    for data in (
        b"garbage\r\n\r\n",
        request_bytes("GET", "/version")[:-3],
        request_bytes("PUT", "/machine-config", "{}")[:-1],
    ):
        ours, theirs = socket.socketpair()
        with Vm("--api-fd", str(theirs.fileno()), connects=False, pass_fds=[theirs.fileno()]) as vm, Client(
            ours
        ) as client:
            theirs.close()
            vm.client = client
            vm.start()
            vm.ping()
            client.send(data)
            client.socket.shutdown(socket.SHUT_WR)
            while client.response():
                pass
            client.socket.close()
            expect_equal(vm.wait(), STATUS_HUNG_UP, f"status ({vm.stderr()!r})")
