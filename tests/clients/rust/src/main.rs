//! A VM by a Rust SDK, whose client speaks HTTP/1.0 in part: configured, started, asked, changed, paused and ended.
//! usage: client FIRECRACKER SOCKET KERNEL DISK OTHER_DISK [TAP]
use firecracker_rs_sdk::firecracker::FirecrackerOption;
use firecracker_rs_sdk::models::*;
use firecracker_rs_sdk::{Error, Result};

fn check<T>(what: &str, result: Result<T>) -> Result<T> {
    match result {
        Ok(value) => {
            println!("{what}");
            Ok(value)
        }
        Err(error) => {
            eprintln!("{what}: {error}");
            Err(error)
        }
    }
}

fn drive(id: &str, path: &str, is_root_device: bool) -> Drive {
    Drive {
        drive_id: id.into(),
        partuuid: None,
        is_root_device,
        cache_type: None,
        is_read_only: false,
        path_on_host: path.into(),
        rate_limiter: None,
        io_engine: None,
        socket: None,
    }
}

fn main() -> std::result::Result<(), Error> {
    let words: Vec<String> = std::env::args().collect();
    let (binary, socket, kernel, disk, other) = (&words[1], &words[2], &words[3], &words[4], &words[5]);
    let mut vm = check("new", FirecrackerOption::new(binary).api_sock(socket).id("rust").build())?;
    check("start of the process", vm.start_vmm())?;
    let version = check("version", vm.get_firecracker_version())?;
    assert_eq!(version.firecracker_version, "1.15.0");
    check(
        "machine",
        vm.put_machine_configuration(&MachineConfiguration {
            cpu_template: None,
            smt: None,
            mem_size_mib: 64,
            track_dirty_pages: None,
            vcpu_count: 1,
            huge_pages: None,
        }),
    )?;
    check("machine told", vm.get_machine_configuration())?;
    check(
        "kernel",
        vm.put_guest_boot_source(&BootSource {
            boot_args: Some("silent boot-signal loop".into()),
            initrd_path: None,
            kernel_image_path: kernel.into(),
        }),
    )?;
    check("root", vm.put_guest_drive_by_id(&drive("root", disk, true)))?;
    check("drive", vm.put_guest_drive_by_id(&drive("other", other, false)))?;
    if let Some(tap) = words.get(6) {
        check(
            "network",
            vm.put_guest_network_interface_by_id(&NetworkInterface {
                guest_mac: None,
                host_dev_name: tap.into(),
                iface_id: "eth0".into(),
                rx_rate_limiter: None,
                tx_rate_limiter: None,
            }),
        )?;
    }
    check("whole configuration", vm.get_export_vm_config())?;
    check("start", vm.start())?;
    check("instance", vm.describe_instance())?;
    check("pause", vm.pause())?;
    check("resume", vm.resume())?;
    check("end", vm.stop())?;
    Ok(())
}
