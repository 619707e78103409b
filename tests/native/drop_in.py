"""By Firecracker's names the programs are what its clients expect, and by their own they are not: docs/drop-in.md."""
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

from bad_input import kernel_of
from jail import Base, the_static_program
from keepers import expect_soon
from kit import build_folder, case, expect, expect_equal, scratch
from kit.build import stand_in
from vm import Vm

ROOT = pathlib.Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/drop-in.md"
FIRECRACKER, JAILER = (f"lib/mayfly/firecracker/{name}" for name in ("firecracker", "jailer"))


def ours(name="mayfly"):
    return str(build_folder() / "bin" / name)


def theirs(link=FIRECRACKER):
    return str(build_folder() / link)


def vm_of(path, *flags, **more):
    stand_in(path)
    try:
        return Vm(*flags, **more)
    finally:
        stand_in(None)


def run(*words, **more):
    return subprocess.run(words, check=False, capture_output=True, timeout=60, **more)


def started(vm):
    vm.start()
    return vm


@case(needs_kvm=False)
def the_table_has_every_case():
    rows = [line.split("|")[1].strip() for line in TABLE.read_text().splitlines() if line.startswith("| ")]
    rows.remove("what")
    cases = [name for name, value in vars(sys.modules[__name__]).items() if hasattr(value, "case")]
    cases.remove("the_table_has_every_case")
    expect_equal(sorted(cases), sorted(row.lower().replace(" ", "_") for row in rows), "cases, and rows of the table")


@case(needs_kvm=False)
def the_version():
    for own, peer, name in ((ours(), theirs(), "Firecracker"), (ours("mayfly-jailer"), theirs(JAILER), "Jailer")):
        plain = run(own, "--version").stdout.decode()
        expect(re.fullmatch(r"mayfly(-jailer)? [0-9.]+\n", plain), f"by its own name: {plain!r}")
        expect_equal(run(peer, "--version").stdout.decode(), f"{name} v1.15.0\n{plain}", "by the other")


@case()
def no_flags_at_all():
    expect_equal(run(ours()).returncode, 125, "status by its own name")
    inside = [
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount -t tmpfs none /run && "$0" & for i in $(seq 100); do sleep 0.1; '
        "curl -s --unix-socket /run/firecracker.socket http://localhost/version && break; done; kill $!",
    ]
    answer = run(*inside, theirs()).stdout
    expect_equal(json.loads(answer or "{}").get("firecracker_version"), "1.15.0", "who answers at the usual place")


@case()
def the_instance():
    for path, name in ((ours(), "Mayfly"), (theirs(), "Firecracker")):
        with vm_of(path) as vm:
            about = vm.get("/")
            expect_equal(about["app_name"], name, "app_name")
            expect_equal(about["vmm_version"] == "1.15.0", name == "Firecracker", f"whether {about} is of the peer")


@case()
def names_of_threads():
    wanted = {ours(): {"mayfly", "api", "io", "vcpu0"}, theirs(): {"firecracker", "fc_api", "io", "fc_vcpu 0"}}
    for path, names in wanted.items():
        with started(vm_of(path)) as vm:
            vm.expect_runs()
            tasks = pathlib.Path(f"/proc/{vm.process.pid}/task").iterdir()
            found = {(task / "comm").read_text().strip() for task in tasks}
            expect(names <= found, f"threads of {path}: {found}")


def put_drive(vm, name, path):
    return vm.request("PUT", f"/drives/{name}", {"drive_id": name, "path_on_host": path, "is_root_device": False})


@case()
def a_drive_that_is_in_use():
    with scratch() as folder:
        disk = folder / "disk"
        disk.write_bytes(bytes(4096))
        with vm_of(ours()) as first, vm_of(ours()) as second, vm_of(theirs()) as third:
            expect_equal(put_drive(first, "a", str(disk)).status, 204, "the first")
            refused = put_drive(second, "a", str(disk))
            expect_equal((refused.status, "in use" in refused.fault), (400, True), f"the second ({refused.fault})")
            expect_equal(put_drive(third, "a", str(disk)).status, 204, "by Firecracker's name")
            expect(b"another process has this disk" in third.stderr(), f"no warning: {third.stderr()!r}")
            third.start()
            third.expect_runs()


@case()
def one_file_as_two_drives():
    for path, status in ((ours(), 400), (theirs(), 204)):
        with scratch() as folder, vm_of(path) as vm:
            disk = folder / "disk"
            disk.write_bytes(bytes(4096))
            put_drive(vm, "a", str(disk))
            expect_equal(put_drive(vm, "b", str(disk)).status, status, path)


def ends(path, number, is_running):
    """The status, what was logged and the last line of metrics of a VM that gets the signal."""
    with scratch() as folder:
        metrics = folder / "metrics"
        metrics.touch()
        with vm_of(path, "--api-sock", "{folder}/api", "--metrics-path", str(metrics)) as vm:
            if is_running:
                vm.start()
                vm.expect_runs()
            os.kill(vm.process.pid, number)
            status = vm.process.wait(30)
            lines = metrics.read_text().splitlines()
            return status, vm.stderr().decode(), json.loads(lines[-1]) if lines else {}


@case()
def sigint_sigterm_and_sigquit():
    for is_running in (False, True):
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT):
            expect_equal(ends(ours(), number, is_running)[0], 128 + number, f"own name, {number.name}, {is_running}")
            expect_equal(ends(theirs(), number, is_running)[0], -number, f"other name, {number.name}, {is_running}")


def expect_noted(number, status):
    for is_running in (False, True):
        ended, log, metrics = ends(theirs(), number, is_running)
        expect_equal(ended, status, f"status of {number.name} ({log!r})")
        line = f"Shutting down VM after intercepting signal {int(number)}, code 0."
        expect(line in log, f"{line!r} is not in {log!r}")
        expect_equal(metrics["signals"][number.name.lower()], 1, f"metric ({metrics['signals']})")


@case(unsanitized="sanitizers have handlers of their own")
def a_fault_or_a_limit():
    statuses = {signal.SIGBUS: 149, signal.SIGSEGV: 150, signal.SIGXCPU: 154, signal.SIGILL: 157}
    for number, status in statuses.items():
        expect_noted(number, status)
        for is_running in (False, True):
            ended = ends(ours(), number, is_running)[0]
            expect(ended in (-number, 128 + number), f"{number.name} by its own name: {ended}")


@case(unsanitized="sanitizers make calls of their own")
def a_forbidden_system_call():
    own = (ROOT / "monitor/policy/vcpu.policy").read_text()
    for path, faults in ((ours(), []), (theirs(), [1])):
        with scratch() as folder:
            policy, metrics, configuration = (folder / name for name in ("policy", "metrics", "configuration"))
            policy.write_text(own.replace("ioctl  arg1 == KVM_RUN ", "ioctl  arg1 == 0 "))
            metrics.touch()
            configuration.write_text(json.dumps({"boot-source": {"kernel_image_path": kernel_of(folder)}}))
            flags = ["--no-api", "--config-file", configuration, "--metrics-path", metrics, "--seccomp-filter", policy]
            ended = run(path, *flags)
            expect_equal(ended.returncode, 148, f"status of {path}")
            expect(b"(ioctl) is forbidden on thread" in ended.stderr, f"line: {ended.stderr!r}")
            lines = [json.loads(line) for line in metrics.read_text().splitlines()]
            found = [line["seccomp"]["num_faults"] for line in lines if line["seccomp"]["num_faults"] > 0]
            expect_equal(found, faults, f"faults that {path} has counted")
    for is_running in (False, True):
        ended, log, _ = ends(theirs(), signal.SIGSYS, is_running)
        expect_equal(ended, 148, "status of one that somebody sent")
        expect("Shutting down VM after intercepting signal 31, code 0." in log and "forbidden" not in log, log)


@case()
def sighup():
    expect_equal(ends(ours(), signal.SIGHUP, True)[0], 129, "status by its own name")
    expect_noted(signal.SIGHUP, 156)


@case(unsanitized="sanitizers have handlers of their own")
def a_file_that_is_too_large():
    ended, _, _ = ends(theirs(), signal.SIGXFSZ, True)
    expect_equal(ended, 151, "status")
    with vm_of(ours()) as vm:
        started(vm)
        os.kill(vm.process.pid, signal.SIGXFSZ)
        vm.expect_runs()


@case(unsanitized="a jail takes static programs alone")
def the_network_of_a_jail():
    here = os.readlink("/proc/self/ns/net")
    the_static_program()
    with Base() as base:
        for jailer, is_the_callers in ((ours("mayfly-jailer"), False), (theirs(JAILER), True)):
            words = base.flags("net", theirs(), "--daemonize")
            status = run(jailer, *words[1:])
            expect_equal(status.returncode, 0, f"the jailer's status ({status.stderr!r})")
            root = pathlib.Path(base.folder, "firecracker/net/root")
            pid = int((root / "firecracker.pid").read_text())
            try:
                expect_equal(os.readlink(f"/proc/{pid}/ns/net") == here, is_the_callers, f"whether {jailer} keeps it")
                name = pathlib.Path(f"/proc/{pid}/comm")
                expect_soon("it has another name", lambda name=name: name.read_text() == "firecracker\n")
            finally:
                os.kill(pid, signal.SIGKILL)
                subprocess.run(["rm", "-rf", os.path.dirname(root)], check=True)
