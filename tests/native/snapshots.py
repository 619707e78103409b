"""VMs that are saved and go on elsewhere: by the API and by `mayfly run --restore`."""
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time

from kit import TIME_LIMIT_S, case, expect, expect_equal, program
from kit.api import request_bytes
from vm import ECHO_STATUS, Vm

MEMORY_MIB = 16


def at(vm, name):
    return os.path.join(vm.folder, name)


def snapshot(vm, name="snap", **more):
    """Of a VM, which is paused then. Returns the paths of state and memory."""
    state, memory = at(vm, name), at(vm, name + ".mem")
    vm.pause()
    vm.do("PUT", "/snapshot/create", {"snapshot_path": state, "mem_file_path": memory, **more})
    return state, memory


def load(vm, state, memory, **more):
    back_end = {"backend_type": "File", "backend_path": memory}
    vm.do("PUT", "/snapshot/load", {"snapshot_path": state, "mem_backend": back_end, **more})


def restored(state, memory, *flags, given=b"\x04"):
    """What `mayfly run --restore` writes, and its status."""
    return subprocess.run(
        [program(), "run", "--restore", state, "--memory-file", memory, *flags],
        input=given,
        capture_output=True,
        timeout=TIME_LIMIT_S,
        check=False,
    )


def start(vm):
    vm.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": MEMORY_MIB})
    vm.start()
    vm.ping()


@case(when="quick")
def a_guest_goes_on_where_it_was():
    with Vm() as source, Vm() as copy:
        start(source)
        files = snapshot(source)
        expect_equal(os.path.getsize(files[1]), MEMORY_MIB << 20, "the memory file's size")
        expect(os.stat(files[1]).st_blocks * 512 < MEMORY_MIB << 19, "it has no holes")
        load(copy, *files)
        expect_equal(copy.state(), "Paused", "at first")
        expect_equal(copy.get("/machine-config")["mem_size_mib"], MEMORY_MIB, "memory")
        copy.resume()
        copy.ping()
        copy.end()
        # It is as it was, and so is what it was saved to.
        source.resume()
        source.ping()
        source.end()
        done = restored(*files, given=b"once more\x04")
        expect_equal((done.returncode, done.stdout), (ECHO_STATUS, b"once more"), "by the command line")


@case()
def a_guest_goes_on_in_a_jail():
    with Vm() as source:
        start(source)
        files = snapshot(source)
        done = restored(*files, "--jail", given=b"inside\x04")
        expect_equal((done.returncode, done.stdout), (ECHO_STATUS, b"inside"), f"in a jail: {done.stderr!r}")


@case()
def disks_are_taken_again_or_others():
    """A guest that has written to its disk reads it back from the copy's own, which has what was there."""
    with Vm() as source:
        disk, other = source.file("disk", bytes(1 << 20)), at(source, "other")
        source.do("PUT", "/drives/d", {"drive_id": "d", "path_on_host": disk, "is_root_device": False})
        source.do("PUT", "/machine-config", {"vcpu_count": 1, "mem_size_mib": MEMORY_MIB})
        source.start("silent boot-signal disk-write=16 echo exit=9")
        source.ping()
        files = snapshot(source)
        busy = restored(*files)
        expect(b"in use" in busy.stderr, f"a disk of the source's is taken: {busy.stderr!r}")
        shutil.copyfile(disk, other)
        done = restored(*files, "--disk", other, given=b"own\x04")
        expect_equal((done.returncode, done.stdout), (ECHO_STATUS, b"own"), f"with its own: {done.stderr!r}")
        for more, words in (
            (("--disk", other + ",ro"), b"the reverse"),
            (("--disk", other, "--disk", disk), b"one more than the snapshot has"),
            (("--net", "tap=none"), b"one more than the snapshot has"),
            (("--memory", "64M"), b"is for a guest that boots"),
            (("--", "word"), b"gives words to a guest that boots"),
        ):
            done = restored(*files, *more)
            expect_equal(done.returncode, 125, f"status with {more}")
            expect(words in done.stderr, f"{more}: {done.stderr!r}")
        with Vm() as copy:
            load(copy, *files, drive_overrides=[{"drive_id": "d", "path_on_host": other}], resume_vm=True)
            copy.ping()
            expect_equal(copy.get("/vm/config")["drives"][0]["path_on_host"], other, "its drive")
            copy.end()


@case()
def many_go_on_from_one():
    with Vm() as source:
        start(source)
        files = snapshot(source)
        for number in range(50):
            said = b"copy %d" % number
            expect_equal(restored(*files, given=said + b"\x04").stdout, said, "its answer")


@case()
def a_chain_of_snapshots():
    """Each of one that goes on from the one before."""
    with Vm() as source:
        start(source)
        files = [pathlib.Path(source.folder, f"{number}{end}") for number in range(2) for end in ("", ".mem")]
        made = snapshot(source)
        for number in range(20):
            with Vm() as vm:
                load(vm, *made, resume_vm=number % 2 == 0)
                made = [str(path) for path in files[number % 2 * 2 :][:2]]
                if number % 2 == 0:  # else it is saved as it was loaded
                    vm.ping()
                    vm.pause()
                vm.do("PUT", "/snapshot/create", {"snapshot_path": made[0], "mem_file_path": made[1]})
        expect_equal(restored(*made, given=b"last\x04").stdout, b"last", "the last one's answer")


@case()
def input_that_the_guest_has_not_read_is_kept():
    """What was typed in a pause is the guest's as soon as it runs, in each of its lives."""
    with Vm() as source:
        start(source)
        source.pause()
        source.type(b"typed early")
        files = snapshot(source)
        done = restored(*files)
        expect_equal(done.stdout, b"typed early", "the copy's output")
        source.resume()
        source.read_until(b"typed early")


@case()
def bad_requests_change_nothing():
    with Vm() as vm:
        state, memory = at(vm, "snap"), at(vm, "snap.mem")
        create = {"snapshot_path": state, "mem_file_path": memory}
        vm.refuse("PUT", "/snapshot/create", create)  # not started
        start(vm)
        vm.refuse("PUT", "/snapshot/create", create, "save/restore unavailable while running", "Paused first")
        vm.pause()
        for wrong in (
            {"snapshot_path": state},
            {"mem_file_path": memory},
            {**create, "mem_file_path": state},
            {**create, "snapshot_type": "Diff"},
            {**create, "snapshot_type": "Half"},
            {**create, "snapshot_path": "/nowhere/snap"},
            {**create, "mem_file_path": "/dev/null"},
            {**create, "more": 1},
        ):
            vm.refuse("PUT", "/snapshot/create", wrong)
        expect(not os.path.exists(state) and not os.path.exists(memory), "a request that was refused left a file")
        expect_equal([name for name in os.listdir(vm.folder) if name.startswith("snap")], [], "what is left")
        back_end = {"backend_type": "File", "backend_path": memory}
        vm.refuse("PUT", "/snapshot/load", {"snapshot_path": state, "mem_backend": back_end})  # it has started
        vm.do("PUT", "/snapshot/create", create)
        vm.resume()
        vm.ping()
        vm.end()
        files = state, memory
        with Vm() as other:
            other.configure()
            other.refuse(
                "PUT",
                "/snapshot/load",
                {"snapshot_path": state, "mem_backend": back_end},
                "not allowed after configuring boot-specific resources",
            )
        with Vm() as other:
            load_of = {"snapshot_path": state}
            for wrong in (
                load_of,
                {**load_of, "mem_backend": back_end, "mem_file_path": memory},
                {**load_of, "mem_backend": {"backend_type": "Uffd", "backend_path": memory}},
                {**load_of, "mem_backend": {"backend_type": "File"}},
                {"snapshot_path": memory, "mem_backend": back_end},
                {"snapshot_path": state, "mem_file_path": state},
                {**load_of, "mem_file_path": memory, "drive_overrides": [{"drive_id": "d", "path_on_host": "/x"}]},
                {**load_of, "mem_file_path": memory, "network_overrides": [{"iface_id": "n", "host_dev_name": "x"}]},
            ):
                other.refuse("PUT", "/snapshot/load", wrong)
            load(other, *files, resume_vm=True)
            other.ping()
            other.end()


@case()
def files_that_do_not_belong_together():
    with Vm() as vm:
        start(vm)
        first = snapshot(vm, "first")
        second = snapshot(vm, "second")
        done = restored(first[0], second[1])
        expect_equal(done.returncode, 125, "status")
        expect(re.search(rb"second.mem: memory file: does not belong to this state file", done.stderr), done.stderr)
        # Where a crash came between the two files' taking their places, the memory still has its first name.
        identity = pathlib.Path(first[1]).read_bytes()[0xD0000:0xD0010]
        os.rename(first[1], f"{second[1]}.{identity.hex()}")
        expect_equal(restored(first[0], second[1], given=b"found\x04").stdout, b"found", "the other one's output")
        with open(second[1], "ab") as memory:
            memory.write(bytes(4096))
        expect(b"another size" in restored(*second).stderr, "a longer memory file is taken")


@case()
def damaged_states_are_refused():
    """A byte in each stretch of the file, and each length of some: (the fuzz target tries all)."""
    with Vm() as vm:
        start(vm)
        state, memory = snapshot(vm)
        good = pathlib.Path(state).read_bytes()
        for at in range(0, len(good), len(good) // 40):
            for bad in (good[:at], good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :]):
                pathlib.Path(state).write_bytes(bad)
                done = restored(state, memory)
                expect_equal(done.returncode, 125, f"status with byte {at} wrong: {done.stderr!r}")
                expect_equal(done.stderr.count(b"\n"), 1, f"lines of {done.stderr!r}")


@case()
def killed_at_any_time_a_pair_is_whole():
    """A snapshot takes another's place; whenever its process is killed, one of the two goes on."""
    with Vm() as vm:
        start(vm)
        files = snapshot(vm)
        for delay_us in range(0, 8000, 250):
            with Vm() as other:
                load(other, *files, resume_vm=True)
                other.ping()
                other.pause()
                paths = {"snapshot_path": files[0], "mem_file_path": files[1]}
                other.client.send(request_bytes("PUT", "/snapshot/create", paths))
                time.sleep(delay_us / 1e6)
                other.process.send_signal(signal.SIGKILL)
                other.process.wait()
            expect_equal(restored(*files, given=b"alive\x04").stdout, b"alive", f"after a kill at {delay_us} us")
