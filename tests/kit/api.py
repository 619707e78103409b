"""A client of Firecracker's API over a Unix socket: bytes as a case likes them, and requests."""
import json
import os
import socket
import time

from kit.cases import TIME_LIMIT_S, Failed, expect, expect_equal


def encoded(body):
    """The bytes of a request's body: JSON of what is not text or bytes already."""
    if body is None or isinstance(body, bytes):
        return body
    return body.encode() if isinstance(body, str) else json.dumps(body).encode()


def request_bytes(method, path, body=None, headers=()):
    body = encoded(body)
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


class Response:
    """What came back. `data` is the JSON of the body, or None where there is no body."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def data(self):
        return json.loads(self.body) if self.body else None

    @property
    def fault(self):
        """The fault message; empty where this is no failure."""
        return self.data["fault_message"] if self.body and self.status >= 400 else ""

    def __repr__(self):
        return f"{self.status} {self.body!r}"


class Client:
    """One connection. Sends bytes, and reads responses one by one, however many were asked for."""

    def __init__(self, connected):
        self.socket, self.buffer = connected, b""
        self.socket.settimeout(TIME_LIMIT_S)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, data):
        try:
            self.socket.sendall(data)
        except TimeoutError:
            raise Failed(f"nobody takes what is sent: {data[:60]!r}") from None

    def request(self, method, path, body=None, headers=()):
        self.send(request_bytes(method, path, body, headers))
        return self.response()

    def receive(self):
        """More bytes; False at the end, also where the other side has closed with bytes of ours unread."""
        try:
            chunk = self.socket.recv(65536)
        except (ConnectionResetError, BrokenPipeError):
            return False
        except TimeoutError:
            raise Failed(f"no response; so far there is {self.buffer!r}") from None
        self.buffer += chunk
        return bool(chunk)

    def response(self):
        """The next response, or None where the connection ends before it."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.receive():
                expect_equal(self.buffer, b"", "the end of the connection is inside a response")
                return None
        head, self.buffer = self.buffer.split(b"\r\n\r\n", 1)
        line, *rest = head.decode().split("\r\n")
        version, status, *_ = line.split(" ", 2)
        expect(version in ("HTTP/1.1", "HTTP/1.0"), f"status line {line!r}")
        headers = {name.strip().lower(): value.strip() for name, value in (one.split(":", 1) for one in rest)}
        length = int(headers.get("content-length", "0"))
        while len(self.buffer) < length:
            expect(self.receive(), f"the connection ends inside the body: {line!r} {self.buffer!r}")
        body, self.buffer = self.buffer[:length], self.buffer[length:]
        return Response(int(status), headers, body)

    def expect_closed(self, what):
        expect_equal(self.response(), None, f"{what}: a closed connection was expected, and there is")


def connect(path):
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        client.connect(path)
    except OSError:
        client.close()
        raise
    return Client(client)


class Requests:
    """Requests and what has to come back. request(method, path, body) is the subclass's: how it gets there."""

    def get(self, path):
        response = self.request("GET", path)
        expect_equal(response.status, 200, f"GET {path} ({response})")
        return response.data

    def do(self, method, path, body):
        response = self.request(method, path, body)
        expect_equal(response.status, 204, f"{method} {path} {body!r} ({response})")

    def put(self, path, **fields):
        self.do("PUT", path, fields)

    def patch(self, path, **fields):
        self.do("PATCH", path, fields)

    def refuse(self, method, path, body, *words):
        response = self.request(method, path, body)
        expect_equal(response.status, 400, f"{method} {path} {body!r} ({response})")
        for word in words:
            expect(word in response.fault, f"{method} {path} {body!r}: {word!r} is not in {response.fault!r}")

    def state(self):
        return self.get("/")["state"]

    def action(self, kind):
        self.put("/actions", action_type=kind)


class Api(Requests):
    """Requests to the socket at `path`, each by a connection of its own."""

    def __init__(self, path):
        self.path = path

    def wait(self, process, limit_s=60):
        """Until the socket is there."""
        give_up = time.monotonic() + limit_s
        while not os.path.exists(self.path):
            expect(process.poll() is None, f"no API at {self.path}: its process has ended with {process.returncode}")
            expect(time.monotonic() < give_up, f"no API at {self.path} in {limit_s} s")
            time.sleep(0.05)

    def request(self, method, path, body=None):
        with connect(self.path) as client:
            response = client.request(method, path, body)
        expect(response is not None, f"{method} {path}: the connection ends without a response")
        return response
