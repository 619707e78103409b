"""Mayfly in its Firecracker mode, around a stock Linux guest that is driven by requests."""

from checks import report_of
from guest import BASE_CMDLINE
from kit.api import Api

MIB = 1 << 20
INITRD = "initramfs-virtio.cpio"


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
    api.wait(guest.process)
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
