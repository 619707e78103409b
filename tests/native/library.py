"""libmayfly: the examples as a user builds and runs them, and VMs inside this process, through ctypes.

In a sanitizer's build the monitor and the example in C have the sanitizer, the shared library has not."""
import errno
import importlib.util
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

from kit import (
    TIME_LIMIT_S,
    Failed,
    Skipped,
    case,
    expect,
    expect_equal,
    is_sanitized,
    monitor_pid,
    program,
    scratch_file,
)

EXAMPLES = pathlib.Path(__file__).parents[2] / "library/examples"
FIRST_LINE = b"Hello from a Mayfly guest\n"


def build():
    return pathlib.Path(program()).parents[1]


def config(arguments, **machine):
    return json.dumps(
        {
            "boot-source": {"kernel_image_path": str(build() / "rootfs/unikernel.elf"), "boot_args": arguments},
            "machine-config": {"vcpu_count": 1, "mem_size_mib": 128, **machine},
        }
    )


def load_example():
    spec = importlib.util.spec_from_file_location("run", EXAMPLES / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


run = load_example()


def vm_of(arguments, **machine):
    library = run.load(str(build() / "lib/libmayfly.so.0"))
    return run.Vm(library, config(arguments, **machine), program())


def next_event(vm):
    event = run.Event()
    expect_equal(vm.wait_event(event, TIME_LIMIT_S * 1000), 1, "wait_event")
    return run.EVENTS[event.type], event


def expect_events(vm, *names):
    for name in names:
        found, event = next_event(vm)
        expect_equal(found, name, f"event ({event.message})")


def expect_exited(vm, status):
    found, event = next_event(vm)
    expect_equal((found, event.status), ("exited", status), f"the end ({event.message})")


def output_of(vm):
    """All that the guest has written; after its end."""
    text = b""
    while got := os.read(vm.serial_out(), 65536):
        text += got
    return text


def send(vm, data):
    with socket.socket(fileno=os.dup(vm.serial_in())) as line:
        line.sendall(data)


def processor_ticks(pid):
    pid = monitor_pid(pid)
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def expect_nothing_left(descriptors_before):
    expect_equal(sorted(os.listdir("/proc/self/fd")), descriptors_before, "descriptors")
    try:
        expect_equal(os.waitpid(-1, os.WNOHANG), None, "a child that is left")
    except ChildProcessError:
        pass


def run_example(command, arguments, stdin=b"", names_monitor=True, **more):
    with tempfile.TemporaryDirectory() as folder:
        path = scratch_file(folder, "vm.json", config(arguments).encode())
        monitor = [program()] if names_monitor else []
        return subprocess.run(
            [*command, path, *monitor], input=stdin, capture_output=True, timeout=TIME_LIMIT_S, check=False, **more
        )


def expect_example_ran(result):
    expect_equal(result.returncode, 7, f"status ({result.stderr!r})")
    expect(result.stdout.startswith(FIRST_LINE), f"output: {result.stdout!r}")
    said = [line.split(b" ")[0].rstrip(b":") for line in result.stderr.splitlines()]
    expect_equal(said, [b"ready", b"started", b"booted", b"exited"], "what happened")


@case()
def the_example_in_c_runs():
    result = run_example([str(build() / "bin/mayfly-example")], "boot-signal echo exit=7", stdin=b"typed\n\x04")
    expect_example_ran(result)
    expect(b"typed\n" in result.stdout, f"echo: {result.stdout!r}")


@case()
def an_installed_library_is_found_by_pkg_config():
    if is_sanitized():
        raise Skipped("a sanitizer's build is not for installation")
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["cmake", "--install", str(build()), "--component", "library", "--prefix", folder],
            check=True,
            capture_output=True,
            timeout=TIME_LIMIT_S,
        )
        flags = subprocess.run(
            ["pkg-config", "--cflags", "--libs", "mayfly"],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, "PKG_CONFIG_PATH": f"{folder}/lib/pkgconfig"},
        )
        source, shared, static = str(EXAMPLES / "run.c"), f"{folder}/shared", f"{folder}/static"
        subprocess.run(["cc", "-std=gnu11", source, *flags.stdout.split(), "-o", shared], check=True, timeout=60)
        environment = {"LD_LIBRARY_PATH": f"{folder}/lib", "PATH": str(build() / "bin")}
        expect_example_ran(run_example([shared], "boot-signal exit=7", names_monitor=False, env=environment))
        subprocess.run(
            ["cc", "-std=gnu11", source, f"-I{folder}/include", f"{folder}/lib/libmayfly.a", "-o", static],
            check=True,
            timeout=60,
        )
        expect_example_ran(run_example([static], "boot-signal exit=7"))


@case()
def the_example_in_python_runs():
    environment = {"MAYFLY_LIBRARY": str(build() / "lib/libmayfly.so.0")}
    expect_example_ran(run_example([sys.executable, str(EXAMPLES / "run.py")], "boot-signal exit=7", env=environment))


@case()
def the_serial_line_goes_both_ways():
    with vm_of("silent echo exit=3") as vm:
        send(vm, b"there and back\n\x04")
        vm.start()
        expect_equal(vm.wait(TIME_LIMIT_S * 1000), 3, "status")
        expect_equal(output_of(vm), b"there and back\n", "echo")


@case()
def a_guest_that_ends_at_once_has_started():
    for status in range(20):
        with vm_of(f"silent exit={status}") as vm:
            vm.start()
            expect_events(vm, "ready", "started")
            expect_exited(vm, status)


@case()
def a_vm_does_not_start_unasked():
    with vm_of("exit=3") as vm:
        expect_events(vm, "ready")
        expect_equal(vm.wait(300), -110, "wait")  # ETIMEDOUT
        expect_equal(vm.stop(TIME_LIMIT_S * 1000), 0, "stop")
        expect_equal(vm.wait(TIME_LIMIT_S * 1000), 143, "status")
        expect_equal(output_of(vm), b"", "output")


@case()
def a_paused_vm_uses_no_processor():
    with vm_of("boot-signal loop") as vm:
        vm.start()
        expect_events(vm, "ready", "started", "booted")
        vm.pause()
        expect_events(vm, "paused")
        before = processor_ticks(vm.pid())
        time.sleep(0.3)
        expect(processor_ticks(vm.pid()) - before <= 2, "a paused VM runs")
        vm.resume()
        expect_events(vm, "resumed")
        limit = time.monotonic() + TIME_LIMIT_S
        while processor_ticks(vm.pid()) - before <= 5:
            expect(time.monotonic() < limit, "a resumed VM does not run")
            time.sleep(0.05)
        vm.pause()
        expect_events(vm, "paused")
        vm.stop(TIME_LIMIT_S * 1000)
        found, event = next_event(vm)
        while found == "message":
            found, event = next_event(vm)
        expect_equal((found, event.status, event.signal), ("exited", 143, 0), "the end of a paused VM")


@case()
def a_request_at_the_wrong_time_fails_in_words():
    with vm_of("loop") as vm:
        vm.pause()
        expect_events(vm, "ready")
        found, event = next_event(vm)
        expect_equal((found, run.EVENTS[event.awaited]), ("failed", "paused"), "pause before start")
        expect(b"before starting" in event.message, f"message: {event.message!r}")
        vm.start()
        expect_events(vm, "started")
        vm.start()
        found, event = next_event(vm)
        expect_equal((found, run.EVENTS[event.awaited]), ("failed", "started"), "second start")
        expect(b"after starting" in event.message, f"message: {event.message!r}")
        expect_equal(vm.stop(0), 0, "stop")
        expect_exited(vm, 137)


@case(needs_kvm=False)
def a_bad_configuration_is_named():
    for machine, word in (({"vcpu_count": 99}, b"vcpu_count"), ({"colour": "red"}, b"colour")):
        with vm_of("", **machine) as vm:
            vm.start()
            expect_equal(vm.wait(TIME_LIMIT_S * 1000), 152, f"status ({vm.error_message()!r})")
            expect(word in vm.error_message(), f"{word!r} is not in {vm.error_message()!r}")


@case()
def a_killed_vm_is_an_event():
    with vm_of("boot-signal loop") as vm:
        vm.start()
        expect_events(vm, "ready", "started", "booted")
        os.kill(vm.pid(), signal.SIGKILL)
        found, event = next_event(vm)
        expect_equal((found, event.status, event.signal), ("exited", 137, 9), "the end")


def is_alive(pid):
    """Nobody need have reaped it."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@case()
def a_vm_ends_with_the_program_that_is_killed():
    ours, theirs = os.pipe()
    host = os.fork()
    if host == 0:
        with vm_of("silent loop") as vm:
            vm.start()
            expect_events(vm, "ready", "started")
            os.write(theirs, str(vm.pid()).encode())
            time.sleep(TIME_LIMIT_S)
        os._exit(1)
    pid = int(os.read(ours, 20))
    expect(is_alive(pid), "the VM does not run")
    os.kill(host, signal.SIGKILL)
    os.waitpid(host, 0)
    deadline = time.monotonic() + TIME_LIMIT_S
    while is_alive(pid):
        expect(time.monotonic() < deadline, "the VM has outlived its program")
        time.sleep(0.01)


@case()
def what_a_program_forks_cannot_end_its_vms():
    with vm_of("boot-signal loop") as vm:
        vm.start()
        expect_events(vm, "ready", "started", "booted")
        before = set(os.listdir("/proc/self/fd"))
        worker = os.fork()
        if worker == 0:
            try:
                left = len(before - set(os.listdir("/proc/self/fd")))
                ended = (vm.pause(), vm.wait(0)) == (-errno.ESRCH, -errno.ECHILD)
                vm.destroy()
                os._exit(0 if left >= 5 and ended else 1)
            finally:
                os._exit(2)
        expect_equal(os.waitpid(worker, 0)[1], 0, "status of the child, to which the VM has ended")
        expect(is_alive(vm.pid()), "the child has ended it")
        vm.pause()
        expect_events(vm, "paused")


@case()
def what_a_program_forks_does_not_keep_its_vms():
    ours, theirs = os.pipe()
    host = os.fork()
    if host == 0:
        os.close(ours)
        with vm_of("silent loop") as vm:
            vm.start()
            expect_events(vm, "ready", "started")
            helper = os.fork()
            if helper == 0:
                time.sleep(TIME_LIMIT_S)
                os._exit(0)
            os.write(theirs, f"{vm.pid()} {helper}".encode())
            time.sleep(TIME_LIMIT_S)
        os._exit(1)
    pid, helper = (int(word) for word in os.read(ours, 40).split())
    try:
        os.kill(host, signal.SIGKILL)
        os.waitpid(host, 0)
        deadline = time.monotonic() + TIME_LIMIT_S / 2
        while is_alive(pid):
            expect(time.monotonic() < deadline, "the VM outlives its program by a process that this has forked")
            time.sleep(0.01)
    finally:
        os.kill(helper, signal.SIGKILL)


@case()
def a_crash_is_said():
    with vm_of("crash") as vm:
        vm.start()
        expect_equal(vm.wait(TIME_LIMIT_S * 1000), 1, "status")
        expect(b"crash" in vm.error_message() or b"triple fault" in vm.error_message(), repr(vm.error_message()))


@case()
def eight_vms_live_side_by_side():
    before = sorted(os.listdir("/proc/self/fd"))
    vms = [vm_of(f"silent echo exit={number}") for number in range(8)]
    for vm in vms:
        vm.start()
    for vm in vms:
        expect_events(vm, "ready", "started")
    expect_equal(len({vm.pid() for vm in vms}), 8, "processes")
    for number, vm in enumerate(vms):
        send(vm, b"to %d\n\x04" % number)
    for number, vm in enumerate(vms):
        expect_exited(vm, number)
        expect_equal(output_of(vm), b"to %d\n" % number, "echo")
        vm.destroy()
    expect_nothing_left(before)


@case()
def two_threads_have_vms_of_their_own():
    before = sorted(os.listdir("/proc/self/fd"))
    problems = []

    def work(base):
        try:
            for number in range(base, base + 10):
                with vm_of(f"silent exit={number}") as vm:
                    vm.start()
                    expect_equal(vm.wait(TIME_LIMIT_S * 1000), number, "status")
        except Failed as problem:
            problems.append(str(problem))

    threads = [threading.Thread(target=work, args=(base,)) for base in (10, 30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expect_equal(problems, [], "problems")
    expect_nothing_left(before)


@case()
def a_destroyed_vm_leaves_nothing():
    before = sorted(os.listdir("/proc/self/fd"))
    with vm_of("boot-signal loop") as vm:
        vm.start()
        expect_events(vm, "ready", "started", "booted")
        pid = vm.pid()
    expect(not os.path.exists(f"/proc/{pid}"), "the process is left")
    expect_nothing_left(before)
