"""Mayfly in its Firecracker mode, around a stock Linux guest: starts it, and is its API's client."""

import http.client
import json
import os
import socket
import time

from case import report_of
from guest import BASE_CMDLINE, Failure

MIB = 1 << 20
INITRD = "initramfs-virtio.cpio"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Api:
    """A client of the socket at `path`, one connection for each request."""

    def __init__(self, path):
        self.path = path

    def wait(self, guest, seconds=60):
        deadline = time.monotonic() + seconds
        while not os.path.exists(self.path):
            if guest.process.poll() is not None or time.monotonic() > deadline:
                raise Failure(f"no API at {self.path}; stderr: {guest.monitor_words() or 'empty'}")
            time.sleep(0.05)

    def request(self, method, route, document=None):
        """The status and what was answered, as text."""
        connection = UnixConnection(self.path)
        try:
            connection.request(method, route, None if document is None else json.dumps(document))
            response = connection.getresponse()
            return response.status, response.read().decode()
        finally:
            connection.close()

    def get(self, route):
        status, body = self.request("GET", route)
        if status != 200:
            raise Failure(f"GET {route}: {status} {body}")
        return json.loads(body)

    def change(self, method, route, document):
        status, body = self.request(method, route, document)
        if status != 204:
            raise Failure(f"{method} {route}: {status} {body}")

    def put(self, route, **document):
        self.change("PUT", route, document)

    def patch(self, route, **document):
        self.change("PATCH", route, document)

    def action(self, name):
        self.put("/actions", action_type=name)


def drive(name, path, root=False, **more):
    return {"drive_id": name, "path_on_host": path, "is_root_device": root, **more}


def nic(tap, **more):
    return {"iface_id": tap, "host_dev_name": tap, **more}


def boot_source(t, cmdline=""):
    return {
        "kernel_image_path": t.file("cloud.vmlinux"),
        "initrd_path": t.file(INITRD),
        "boot_args": f"{BASE_CMDLINE} quiet {cmdline}".strip(),
    }


def launch(t, name="vm"):
    """A process with an API, and no VM yet: (guest, api)."""
    t.needs_mayfly("API")
    path = f"/run/{t.name}-{name}.socket"
    guest = t.start_command([t.monitor, "--api-sock", path, "--id", name], "pipe")
    api = Api(path)
    api.wait(guest)
    return guest, api


def configure(api, source, *, drives=(), nics=(), **machine):
    api.put("/boot-source", **source)
    api.put("/machine-config", **{"vcpu_count": 1, "mem_size_mib": 128, **machine})
    for one in drives:
        api.put(f"/drives/{one['drive_id']}", **one)
    for one in nics:
        api.put(f"/network-interfaces/{one['iface_id']}", **one)


def shell(guest):
    """Waits for the guest's shell; what it found is the answer."""
    report = report_of(guest)
    guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
    return report


def start(t, cmdline="", **devices):
    """Boots a guest by requests to its shell: (guest, api)."""
    guest, api = launch(t)
    configure(api, boot_source(t, cmdline), **devices)
    api.action("InstanceStart")
    shell(guest)
    return guest, api


def press_ctrl_alt_del(guest, api):
    """The keys end the VM: its kernel restarts at once, without asking its init."""
    guest.ask("echo 1 > /proc/sys/kernel/ctrl-alt-del; echo set-$((40 + 2))", rb"set-42")
    api.action("SendCtrlAltDel")
    guest.expect_status(0)
