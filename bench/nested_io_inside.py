"""The part of nested-io that runs inside the emulated machine: boots a guest under each monitor in turn, has
it read its disk and move a file over TCP, and leaves the times for one of each in /out/results.json."""

import http.client
import http.server
import json
import os
import subprocess
import sys
import threading
import time

OUT, FILES = "/out", "/run/nested-io"
HOST, GUEST, TAP = "10.78.0.1", "10.78.0.2", "mfio0"
MIB = 1 << 20


def sh(*command):
    subprocess.run(command, check=True)


class Source(http.server.BaseHTTPRequestHandler):
    """Serves a file of zeroes of `size` bytes."""

    size = 0

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Length", str(self.size))
        self.end_headers()
        for _ in range(self.size // MIB):
            self.wfile.write(bytes(MIB))

    def log_message(self, *_):
        pass


def command(monitor, plan):
    kernel, initrd = f"{FILES}/cloud.vmlinux", f"{FILES}/initramfs-virtio.cpio"
    words, disk = "console=ttyS0 reboot=t panic=-1 quiet", f"{FILES}/disk"
    if monitor == "mayfly":
        return [
            plan["mayfly"],
            "run",
            "--kernel",
            kernel,
            "--initrd",
            initrd,
            "--cmdline",
            words,
            "--memory",
            "512M",
            "--disk",
            disk,
            "--net",
            f"tap={TAP}",
        ]
    return [
        "/usr/bin/qemu-system-x86_64",
        "-M",
        "microvm,rtc=off,pit=off,pic=off",
        "-accel",
        "kvm",
        "-cpu",
        "host",
        "-nodefaults",
        "-no-user-config",
        "-display",
        "none",
        "-no-reboot",
        "-serial",
        "stdio",
        "-smp",
        "1",
        "-m",
        "512M",
        "-kernel",
        kernel,
        "-initrd",
        initrd,
        "-append",
        words,
        "-drive",
        f"file={disk},format=raw,if=none,id=disk,aio=io_uring",
        "-device",
        "virtio-blk-device,drive=disk",
        "-netdev",
        f"tap,id=net,ifname={TAP},script=no,downscript=no,vhost=off",
        "-device",
        "virtio-net-device,netdev=net",
    ]


def ns(action):
    start = time.monotonic_ns()
    action()
    return time.monotonic_ns() - start


def fetch():
    connection = http.client.HTTPConnection(GUEST, 80, timeout=300)
    connection.request("GET", "/big")
    response = connection.getresponse()
    while response.read(MIB):
        pass


def one_round(monitor, number, plan, guest_class):
    """{what: ns for one} of one boot."""
    guest = guest_class(command(monitor, plan), f"{OUT}/{monitor}-{number}.log", "pipe")
    try:
        guest.expect(rb"MAYFLY-GUEST-READY", 120)
        guest.ask("PS1='# '; dmesg -n 3; echo ready-$((1 + 1))", rb"ready-2")
        guest.ask(f"ip link set eth0 up; ip address add {GUEST}/24 dev eth0; echo up-$((40 + 2))", rb"up-42")
        read = "dd if=/dev/vda of=/dev/null bs=4096 iflag=direct 2>/dev/null count="
        guest.ask(f"{read}64; echo warm-$((40 + 2))", rb"warm-42", 120)
        # The shell, the program and the console cost the same in both, and are taken off.
        empty = ns(lambda: guest.ask(f"{read}1; echo one-$((40 + 2))", rb"one-42", 120))
        reads = ns(lambda: guest.ask(f"{read}{plan['reads']}; echo all-$((40 + 2))", rb"all-42", 300))
        size = plan["megabytes"]
        guest.ask(
            f"dd if=/dev/zero of=/tmp/big bs=1M count={size} 2>/dev/null; httpd -p 80 -h /tmp; echo up-$((40 + 2))",
            rb"up-42",
            120,
        )
        fetch()  # once to warm up: memory, caches, TCP's windows
        out = ns(fetch)
        into = ns(
            lambda: guest.ask(f"wget -q -O /dev/null http://{HOST}:5001/x; echo got-$((40 + 2))", rb"got-42", 300)
        )
        return {"read": (reads - empty) / (plan["reads"] - 1), "from guest": out / size, "to guest": into / size}
    finally:
        guest.close()


def main():
    with open(sys.argv[1], encoding="ascii") as file:
        plan = json.load(file)
    sys.path[:0] = [plan["nested"], os.path.dirname(plan["nested"])]
    from guest import Guest  # the nested tier's: a console to talk to

    os.makedirs(FILES)
    for name in ("cloud.vmlinux", "initramfs-virtio.cpio"):
        sh("cp", "-L", f"{plan['guest']}/{name}", FILES)
    with open(f"{FILES}/disk", "wb") as disk:
        disk.write(os.urandom(MIB) * 32)
    sh("ip", "tuntap", "add", TAP, "mode", "tap")
    sh("ip", "link", "set", TAP, "up")
    sh("ip", "address", "add", f"{HOST}/24", "dev", TAP)
    Source.size = plan["megabytes"] * MIB
    threading.Thread(target=http.server.HTTPServer((HOST, 5001), Source).serve_forever, daemon=True).start()

    monitors = ["mayfly", "qemu"]
    results = {monitor: {} for monitor in monitors}
    if os.path.exists(f"{OUT}/results.json"):  # from a machine that stood still afterwards
        with open(f"{OUT}/results.json", encoding="ascii") as file:
            results = json.load(file)
    for number in range(plan["rounds"]):
        # There and back, so that a drift of the machine falls on both.
        for monitor in monitors if number % 2 == 0 else reversed(monitors):
            if len(results[monitor].get("read", [])) > number:
                continue
            for what, value in one_round(monitor, number, plan, Guest).items():
                results[monitor].setdefault(what, []).append(value)
                print(f"{monitor} {number + 1}: {what} {value / 1000:.1f} us", flush=True)
            with open(f"{OUT}/results.part", "w", encoding="ascii") as file:
                json.dump(results, file)
            os.rename(f"{OUT}/results.part", f"{OUT}/results.json")


if __name__ == "__main__":
    main()
