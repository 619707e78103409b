"""A VM by a Python SDK, on requests: configured, started, asked, changed, paused and ended.

usage: client.py FIRECRACKER SOCKET KERNEL DISK OTHER_DISK [TAP]
"""
import os
import subprocess
import sys
import time

from firecracker import Api


def main(binary, socket, kernel, disk, other, tap=None):
    with subprocess.Popen([binary, "--api-sock", socket]) as vm:
        try:
            while not os.path.exists(socket):
                time.sleep(0.01)
            talk(Api(socket), kernel, disk, other, tap)
            print("end")
        finally:
            vm.terminate()


def talk(api, kernel, disk, other, tap):
    assert api.version.get().json()["firecracker_version"] == "1.15.0"
    api.machine_config.put(vcpu_count=1, mem_size_mib=128)
    api.machine_config.patch(mem_size_mib=64)
    assert api.machine_config.get().json()["mem_size_mib"] == 64
    api.boot.put(kernel_image_path=kernel, boot_args="silent boot-signal loop")
    api.drive.put(drive_id="root", path_on_host=disk, is_root_device=True, is_read_only=False)
    api.drive.put(drive_id="other", path_on_host=other, is_root_device=False, is_read_only=False)
    if tap:
        api.network.put(iface_id="eth0", host_dev_name=tap, guest_mac="02:00:5e:00:53:01")
    assert len(api.vm_config.get().json()["drives"]) == 2
    api.actions.put(action_type="InstanceStart")
    assert api.describe.get().json()["state"] == "Running"
    api.vm.patch(state="Paused")
    api.vm.patch(state="Resumed")
    api.drive.patch(drive_id="other", path_on_host=disk + ".new")
    api.actions.put(action_type="SendCtrlAltDel")
    api.close()


main(*sys.argv[1:])
