"""What the API changes is seen by the guest, and harms nothing that goes on: starts, root drives, pauses, other files."""
import concurrent.futures
import hashlib
import json
import pathlib
import socket
import struct
import time

from kit import TIME_LIMIT_S, case, expect, expect_equal, mayfly
from kit.api import connect
from unikernel import fnv1a, pattern_lines
from vm import ECHO, Vm
from devices import BLOCK, Tap

LIMIT = 2047  # of the command line, in bytes
READS_OF_A_NIC = 4  # that may be waiting for a frame each


def drive(identifier, path, **more):
    return {"drive_id": identifier, "is_root_device": False, "path_on_host": path, **more}


def add_drive(vm, identifier, path, **more):
    vm.do("PUT", f"/drives/{identifier}", drive(identifier, path, **more))


def command_line(vm, words, **root):
    """What a guest that reports it was given, with a root drive of these fields."""
    add_drive(vm, "r", vm.file("root", bytes(BLOCK)), **{"is_root_device": True, **root})
    vm.start(words)
    expect_equal(vm.wait(), 0, f"status ({vm.stderr()!r})")
    lines = [line for line in vm.process.stdout.read().decode().splitlines() if line.startswith("command line: ")]
    expect_equal(len(lines), 1, "lines with the command line")
    return lines[0].removeprefix("command line: ")


@case()
def the_root_drive_is_in_the_command_line():
    for words, root, wanted in (
        ("", {}, ["root=/dev/vda", "rw"]),
        ("a b", {"is_read_only": True}, ["root=/dev/vda", "ro"]),
        ("a", {"partuuid": "0eaa91a0-01"}, ["root=PARTUUID=0eaa91a0-01", "rw"]),
        ("a -- exit=0", {}, ["root=/dev/vda", "rw"]),
    ):
        with Vm() as vm:
            found = command_line(vm, words, **root)
            kernels, _, inits = found.partition(" -- ")
            expect(
                kernels.split()[-2:] == wanted or kernels.split()[-3:-1] == wanted or " ".join(wanted) in kernels,
                f"{words!r} with {root}: {found!r}",
            )
            expect_equal(inits, words.partition(" -- ")[2], "what is behind --")
            expect_equal(vm.stderr(), b"", "stderr")


@case()
def the_root_drive_is_the_guests_first():
    for order in (("data", "root"), ("root", "data")):
        with Vm() as vm:
            contents = {"data": bytes(BLOCK), "root": b"r" * BLOCK}
            for name in order:
                add_drive(vm, name, vm.file(name, contents[name]), is_root_device=name == "root")
            vm.start("quiet disk-sum=1")
            expect_equal(vm.wait(), 0, "status")
            expect(fnv1a(contents["root"]).encode() in vm.process.stdout.read(), f"{order}: the first disk is another")


@case()
def the_command_line_is_as_long_as_it_may_be():
    with Vm() as vm:

        def boot(length):
            return {"kernel_image_path": vm.kernel, "boot_args": "quiet exit=6 ".ljust(length, "x")}

        vm.refuse("PUT", "/boot-source", boot(LIMIT + 1), "boot_args", str(LIMIT))
        vm.do("PUT", "/boot-source", boot(LIMIT))
        before = vm.get("/vm/config")
        root = drive("r", vm.file("root", bytes(BLOCK)), is_root_device=True)
        vm.refuse("PUT", "/drives/r", root)  # its words have no room any more
        expect_equal(vm.get("/vm/config"), before, "configuration after the refusal")
        # A Linux is told of the device, too; that this kernel is none is only known when it is loaded.
        added = len(" root=/dev/vda rw virtio_mmio.device=4K@0xc0001000:5")
        vm.do("PUT", "/boot-source", boot(LIMIT - added))
        vm.do("PUT", "/drives/r", root)
        vm.refuse("PUT", "/boot-source", boot(LIMIT - added + 1), "boot_args")
        vm.action("InstanceStart")
        expect_equal(vm.wait(), 6, f"status ({vm.stderr()!r})")


@case()
def a_start_that_fails_leaves_everything_to_be_set_right():
    with Tap("run0") as tap, Vm() as vm:
        add_drive(vm, "d", vm.file("disk", bytes(BLOCK)))
        vm.do("PUT", "/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap})
        for _ in range(3):
            vm.do("PUT", "/boot-source", {"kernel_image_path": vm.file("text", b"hello\n" * 100)})
            before = vm.get("/vm/config")
            vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, "text", "neither an ELF nor a bzImage")
            expect_equal((vm.state(), vm.get("/vm/config")), ("Not started", before), "state and configuration")
            vm.configure("quiet disk-sum=1 send-frames=5 exit=8")
            vm.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 1 << 20})
            vm.refuse("PUT", "/actions", {"action_type": "InstanceStart"}, "memory")
            vm.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": 64})
        vm.action("InstanceStart")
        expect_equal(vm.wait(), 8, f"status ({vm.stderr()!r})")
        found = vm.process.stdout.read()
        expect(b"disk-sum: 4096 bytes" in found and b"send-frames: 5 of" in found, f"output: {found!r}")


@case()
def files_may_go_once_they_are_named():
    with Vm() as vm:
        path = vm.file("disk", b"d" * BLOCK)
        add_drive(vm, "d", path)
        vm.configure("quiet disk-sum=1 exit=4")
        pathlib.Path(path).unlink()
        pathlib.Path(vm.kernel).unlink()
        vm.action("InstanceStart")
        expect_equal(vm.wait(), 4, f"status ({vm.stderr()!r})")
        expect(fnv1a(b"d" * BLOCK).encode() in vm.process.stdout.read(), "the disk is another")


@case()
def a_disk_is_in_use_from_its_put_on():
    with Vm() as vm, Vm() as other:
        path, second = vm.file("disk", bytes(BLOCK)), vm.file("second", bytes(BLOCK))
        add_drive(vm, "d", path)
        for identifier in ("d", "e"):
            other.refuse("PUT", f"/drives/{identifier}", drive(identifier, path), "in use")
        vm.refuse("PUT", "/drives/e", drive("e", path), "another drive")
        add_drive(vm, "d", path, is_read_only=True)  # the same drive may have it again
        add_drive(vm, "d", second)  # and gives it up for another
        add_drive(other, "d", path)


@case()
def as_many_devices_as_interrupts():
    with Vm() as vm:
        for number in range(19):
            add_drive(vm, f"d{number}", vm.file(f"d{number}", bytes(BLOCK)))
        vm.refuse("PUT", "/drives/d19", drive("d19", vm.file("d19", bytes(BLOCK))), "19")
        add_drive(vm, "d18", vm.file("d18x", bytes(BLOCK)))
        vm.start("quiet disk-sum=1 exit=2")
        expect_equal(vm.wait(), 2, f"status ({vm.stderr()!r})")


@case()
def of_two_starts_at_once_one_is_taken():
    def start(path):
        with connect(path) as client:
            return client.request("PUT", "/actions", {"action_type": "InstanceStart"}).status

    for _ in range(10):
        with Vm() as vm, concurrent.futures.ThreadPoolExecutor(4) as pool:
            vm.configure()
            expect_equal(sorted(pool.map(start, [vm.path] * 4)), [204, 400, 400, 400], "statuses")
            vm.expect_runs()


@case()
def a_start_is_answered_however_soon_the_guest_ends():
    for number in range(40):
        with Vm() as vm:
            vm.configure(f"silent exit={number}")
            vm.action("InstanceStart")
            expect_equal(vm.wait(), number, f"status ({vm.stderr()!r})")
            vm.client.expect_closed("the guest has ended")


@case()
def pauses_lose_no_output():
    with Vm() as vm:
        vm.start("silent boot-signal print=4000 echo exit=9")
        for _ in range(60):
            vm.pause()
            vm.resume()
        wanted = pattern_lines(4000)
        expect(vm.read_until(wanted[-64:]) == wanted, "the output has other bytes than the guest wrote")
        vm.ping()
        vm.end()


@case()
def pauses_lose_no_request_of_a_disk():
    with Vm() as vm:
        path = vm.file("disk", bytes(BLOCK * 4096))
        add_drive(vm, "d", path, cache_type="Writeback")
        vm.start(f"silent disk-depth=32 disk-write=4096 disk-reads=100000 {ECHO}")
        while not vm.has_written(b"disk-write"):
            vm.pause()
            vm.resume()
        vm.read_until(b"disk-reads: 100000 of 4096 bytes at depth 32")
        expect(b"failed" not in vm.read_until(b"\n"), "reads failed")
        vm.read_until(b"disk-write: 4096 blocks of 4096 bytes, 0 failed")
        data = pathlib.Path(path).read_bytes()
        wanted = b"".join(struct.pack("<Q", number) * (BLOCK // 8) for number in range(4096))
        expect(
            hashlib.sha256(data).digest() == hashlib.sha256(wanted).digest(),
            "the file has other bytes than were written",
        )
        vm.expect_runs()
        vm.end()


class Gained:
    """What the VM's metrics count, from one look to the next."""

    def __init__(self, vm):
        self.vm, self.path, self.seen = vm, pathlib.Path(vm.file("metrics")), {}
        vm.put("/metrics", metrics_path=str(self.path))

    def __call__(self, group, name):
        self.vm.action("FlushMetrics")
        total = sum(json.loads(line)[group][name] for line in self.path.read_text().splitlines())
        gained, self.seen[name] = total - self.seen.get(name, 0), total
        return gained

    def until_something(self, group, name):
        give_up, gained = time.monotonic() + TIME_LIMIT_S, 0
        while gained == 0:
            expect(time.monotonic() < give_up, f"{group}.{name} has not risen in {TIME_LIMIT_S} s")
            gained = self(group, name)
        return gained


@case()
def a_disk_stands_still_while_the_vm_is_paused():
    with Vm() as vm:
        gained = Gained(vm)
        hourly = {"ops": {"size": 1, "refill_time": 3_600_000}}
        add_drive(vm, "d", vm.file("disk", bytes(BLOCK * 64)), rate_limiter=hourly)
        vm.start(f"silent disk-depth=32 disk-reads=200000 {ECHO}")
        gained.until_something("block", "rate_limiter_throttled_events")
        vm.pause()
        gained("block", "read_count")
        for _ in range(3):  # each is done by the I/O thread, between two of its rounds
            vm.patch("/drives/d", drive_id="d", rate_limiter={"ops": {"size": 0, "refill_time": 0}})
        expect_equal(gained("block", "read_count"), 0, "reads in a pause, of those that no limit holds up any more")
        vm.resume()
        vm.read_until(b"disk-reads: 200000 of 4096 bytes")
        vm.expect_runs()
        vm.end()


@case()
def a_nic_stands_still_while_the_vm_is_paused():
    with Tap("run2") as tap, Vm() as vm, socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as host:
        gained = Gained(vm)
        vm.put("/network-interfaces/n", iface_id="n", host_dev_name=tap)
        vm.start("silent receive-frames=1000000")
        host.bind((tap, 0))
        frame = b"\xff" * 6 + bytes.fromhex("02000000000188b5") + bytes(50)
        host.send(frame)
        gained.until_something("net", "rx_packets_count")
        vm.pause()
        gained("net", "rx_packets_count")
        for _ in range(20):
            host.send(frame)
            vm.patch("/network-interfaces/n", iface_id="n", rx_rate_limiter={"ops": {"size": 0, "refill_time": 0}})
        came = gained("net", "rx_packets_count")
        expect(came <= READS_OF_A_NIC, f"{came} of 20 frames came in a pause")
        vm.resume()
        gained.until_something("net", "rx_packets_count")


def busy_with_its_disk(vm):
    """Two files for a guest that reads the first of them, and says so when it is through."""
    paths = [vm.file(f"disk{number}", bytes(BLOCK * 64)) for number in range(2)]
    add_drive(vm, "d", paths[0])
    vm.start(f"silent disk-depth=32 disk-reads=200000 {ECHO}")
    return paths


@case()
def files_change_under_a_guest_that_reads():
    with Vm() as vm:
        paths, changes = busy_with_its_disk(vm), 0
        while not vm.has_written(b"disk-reads") or changes < 10:
            changes += 1
            vm.do("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": paths[changes % 2]})
        expect(b"failed" not in vm.read_until(b"\n"), "reads failed")
        expect_equal(vm.get("/vm/config")["drives"][0]["path_on_host"], paths[changes % 2], "path")
        vm.expect_runs()
        vm.end()


@case()
def limits_change_under_a_guest_that_reads():
    with Vm() as vm:
        busy_with_its_disk(vm)
        for size in (1, 4096, 1 << 20, (1 << 63) - 1) * 5:
            for bucket in ("bandwidth", "ops"):
                limits = {bucket: {"size": size, "refill_time": 1000, "one_time_burst": size}}
                vm.do("PATCH", "/drives/d", {"drive_id": "d", "rate_limiter": limits})
        off = {"size": 0, "refill_time": 0}
        vm.do("PATCH", "/drives/d", {"drive_id": "d", "rate_limiter": {"bandwidth": off, "ops": off}})
        expect_equal(vm.get("/vm/config")["drives"][0]["rate_limiter"], None, "limits that are off")
        vm.read_until(b"disk-reads: 200000 of 4096 bytes")
        expect(b"failed" not in vm.read_until(b"\n"), "reads failed")
        vm.expect_runs()
        vm.end()


@case()
def a_shorter_file_is_an_error_to_the_guest_alone():
    with Vm() as vm:
        busy_with_its_disk(vm)
        vm.do("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": vm.file("short", bytes(BLOCK))})
        vm.read_until(b"disk-reads: 200000 of 4096 bytes")
        vm.do("PATCH", "/drives/d", {"drive_id": "d", "path_on_host": vm.file("empty")})
        vm.expect_runs()
        vm.end()


@case()
def limits_change_under_a_guest_that_sends():
    with Tap("run1") as tap, Vm() as vm:
        vm.do("PUT", "/network-interfaces/n", {"iface_id": "n", "host_dev_name": tap})
        vm.start(f"silent send-frames=200000 {ECHO}")
        for size in (1, 100, 10_000) * 5:
            limits = {"ops": {"size": size, "refill_time": 100}, "bandwidth": {"size": size * 100, "refill_time": 100}}
            vm.do(
                "PATCH",
                "/network-interfaces/n",
                {"iface_id": "n", "tx_rate_limiter": limits, "rx_rate_limiter": limits},
            )
        off = {"size": 0, "refill_time": 0}
        vm.do("PATCH", "/network-interfaces/n", {"iface_id": "n", "tx_rate_limiter": {"ops": off, "bandwidth": off}})
        vm.read_until(b"send-frames: 200000 of 64 bytes")
        counted = pathlib.Path(f"/sys/class/net/{tap}/statistics/rx_packets").read_text()
        expect_equal(int(counted), 200000, "frames that arrived")
        vm.end()


@case()
def requests_are_counted_with_their_failures():
    with Vm() as vm:
        path = vm.file("metrics")
        vm.do("PUT", "/metrics", {"metrics_path": path})
        for body in ({"vcpu_count": 1, "mem_size_mib": 64}, {"vcpu_count": 0, "mem_size_mib": 64}, {}):
            vm.request("PUT", "/machine-config", body)
        vm.request("PATCH", "/machine-config", {"vcpu_count": 99})
        for _ in range(3):
            vm.get("/version")
        vm.start()
        vm.action("FlushMetrics")
        lines = [json.loads(line) for line in pathlib.Path(path).read_text().splitlines()]

        def total(part, name):
            return sum(line[part][name] for line in lines)

        found = [
            total("put_api_requests", "machine_cfg_count"),
            total("put_api_requests", "machine_cfg_fails"),
            total("patch_api_requests", "machine_cfg_fails"),
            total("get_api_requests", "vmm_version_count"),
        ]
        expect_equal(found, [3, 2, 1, 3], "PUTs, their failures, failures of PATCH, GETs")


@case()
def firecracker_mode_and_run_share_their_disks_manners():
    """What one has, the other is refused; and a name that is taken is free when the process is gone."""
    with Vm() as vm:
        path = vm.file("disk", bytes(BLOCK))
        add_drive(vm, "d", path)
        expect(b"in use" in mayfly("run", "--disk", path).stderr, "run takes a disk of the API's")
        vm.process.kill()
        vm.wait()
        expect_equal(mayfly("run", "--disk", path, "--", "exit=3").returncode, 3, "status after the other was killed")
