"""What monitors are told, and what they boot."""

import json
import os
import pathlib
import tempfile

from kit import case
from mayfly_bench import guests, monitors, scratch, signals
from mayfly_bench.commands import compare
from mayfly_bench.flags import argparse
from mayfly_bench.guests import Guest
from mayfly_bench.probe import GIVEN_FILE

STUB = Guest("stub", guests.PVH, "/stub.elf", "hello", 128)
DEBIAN = Guest("debian", guests.BZIMAGE, "/vmlinuz", guests.LINUX_MARKER, 256, "console=ttyS0")
UNIKERNEL = Guest("unikernel", guests.EMBEDDED, "", "Hello", 128)
PEERS = {one.name: one for one in monitors.PEERS}


def line_of(monitor, guest, kvm="kvm_amd"):
    words, _ = monitor.start("/m", guest, kvm)
    return " ".join(words)


@case
def monitors_have_their_own_command_lines():
    assert line_of(monitors.FLOOR, STUB) == "/m"
    assert line_of(monitors.MAYFLY, STUB) == "/m run --memory 128M --kernel /stub.elf"
    assert line_of(monitors.MAYFLY, UNIKERNEL) == "/m run --memory 128M -- quiet"
    assert line_of(monitors.MAYFLY, DEBIAN) == "/m run --memory 256M --kernel /vmlinuz --cmdline console=ttyS0"
    assert line_of(PEERS["qemu"], STUB) == (
        "/m -M microvm,x-option-roms=off,pit=off,pic=off,isa-serial=on,rtc=off -enable-kvm -cpu host -m 128m -smp 1"
        " -nodefaults -no-user-config -nographic -no-reboot -serial stdio -kernel /stub.elf"
    )
    assert line_of(PEERS["kvmtool"], DEBIAN) == (
        "/m run --nodefaults --cpus 1 --mem 256 --network mode=none --console serial --kernel /vmlinuz"
        " --params console=ttyS0"
    )
    assert line_of(PEERS["cloud-hypervisor"], DEBIAN) == (
        "/m --kernel /vmlinuz --console off --serial tty --cpus boot=1 --memory size=256M --cmdline console=ttyS0"
    )


@case
def firecracker_is_given_its_file():
    words, given = PEERS["firecracker"].start("/m", STUB, "kvm_amd")
    assert words == ["/m", "--no-api", "--config-file", GIVEN_FILE, "--log-path", "/dev/null", "--level", "Error"]
    assert json.loads(given) == {
        "boot-source": {"kernel_image_path": "/stub.elf", "boot_args": ""},
        "drives": [],
        "machine-config": {"vcpu_count": 1, "mem_size_mib": 128},
    }
    _, given = PEERS["firecracker"].start("/m", DEBIAN, "kvm_amd")
    assert json.loads(given)["boot-source"]["boot_args"] == "console=ttyS0 pci=off"


@case
def qemu_is_spared_an_msr_that_software_kvm_refuses():
    assert "-cpu host,arch-capabilities=off " in line_of(PEERS["qemu"], STUB, "kvm_pvm")


@case
def monitors_refuse_what_they_do_not_boot():
    assert all(one.refusal(UNIKERNEL) for one in monitors.PEERS)
    assert PEERS["kvmtool"].refusal(STUB) and not PEERS["kvmtool"].refusal(DEBIAN)
    # What an old one does not boot, it says itself.
    assert not any(PEERS["firecracker"].refusal(guest) for guest in (STUB, DEBIAN))
    assert not any(monitors.MAYFLY.refusal(guest) for guest in (STUB, DEBIAN, UNIKERNEL))


@case
def programs_are_found_in_a_path():
    assert monitors.find_program(("none", "sh"), "/no/such/folder::/bin") == "/bin/sh"
    assert monitors.find_program(("sh",), "") == ""
    assert monitors.find_program(("bin",), "/") == ""  # a folder is no program


@case
def a_peer_is_a_name_and_a_path():
    assert compare.peer("firecracker=/bin/sh") == ("firecracker", "/bin/sh")
    for text in ("", "=/bin/sh", "qemu", "xen=/bin/sh", "mayfly=/bin/sh", "qemu=", "qemu=/", "qemu=/none"):
        try:
            compare.peer(text)
        except argparse.ArgumentTypeError:
            continue
        raise AssertionError(f"{text} is taken")


@case
def the_newest_kernel_is_found_and_a_cloud_kernel_before_all_others():
    with tempfile.TemporaryDirectory() as folder:
        assert guests.newest_debian_kernel(folder) == ""
        for name in ("vmlinuz-6.1.0-9-amd64", "vmlinuz-6.1.0-56-amd64", "vmlinuz-6.12", "initrd.img-7-amd64"):
            (pathlib.Path(folder) / name).touch()
        assert guests.newest_debian_kernel(folder).endswith("/vmlinuz-6.1.0-56-amd64")
        (pathlib.Path(folder) / "vmlinuz-5.10.0-1-cloud-amd64").touch()
        assert guests.newest_debian_kernel(folder).endswith("/vmlinuz-5.10.0-1-cloud-amd64")
    assert guests.newest_debian_kernel("/no/such/folder") == ""


@case
def what_is_made_is_gone_after_it():
    with scratch.memory_folder() as folder:
        (pathlib.Path(folder) / "jail" / "root").mkdir(parents=True)
        (pathlib.Path(folder) / "jail" / "root" / "file").touch()
    assert not pathlib.Path(folder).exists()
    with scratch.disk_file((3 << 20) + 512) as disk:
        with scratch.opened(scratch.path_of(disk)) as again:
            assert scratch.read_all(again) == (3 << 20) + 512
            first, later = os.pread(again, 4096, 4096), os.pread(again, 4096, (2 << 20) + 4096)
            assert first != bytes(4096) and first != later and os.fstat(again).st_nlink == 0
    assert not signals.was_signalled()
