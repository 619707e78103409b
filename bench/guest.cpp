#include "bench/guest.hpp"

#include <unistd.h>

#include <dirent.h>
#include <memory>

#include "bench/program.hpp"
#include "bench/version.hpp"

namespace {

// The floor has as much.
constexpr uint64_t kSmallMib = 128;
constexpr uint64_t kLinuxMib = 256;

// It has no root, and says so when all else of its boot is done. Nothing else comes from a quiet
// kernel, whose lines would cost more than its boot.
constexpr char kLinuxMarker[] = "Unable to mount root fs";
constexpr char kLinuxCommandLine[] = "console=ttyS0 quiet reboot=k panic=1";
constexpr char kNeedsHardware[] =
    "KVM is software here (kvm_pvm) and interprets a kernel's code; use a host with hardware "
    "virtualization";

Result<Guest> stub() {
    Guest guest{.name = "stub",
                .protocol = BootProtocol::kPvh,
                .image = TRY(beside_this_program(kStubFile)),
                .command_line = "",
                .marker = "hello",
                .memory_mib = kSmallMib};
    if (::access(guest.image.c_str(), R_OK) != 0) guest.absence = guest.image + " is missing";
    return guest;
}

Guest unikernel() {
    return {.name = "unikernel",
            .protocol = BootProtocol::kEmbedded,
            .image = "",
            .command_line = "",
            .marker = "Hello from a Mayfly guest",
            .memory_mib = kSmallMib};
}

Guest linux_guest(const char* name, BootProtocol protocol, std::string image,
                  std::string_view kvm) {
    Guest guest{.name = name,
                .protocol = protocol,
                .image = std::move(image),
                .command_line = kLinuxCommandLine,
                .marker = kLinuxMarker,
                .memory_mib = kLinuxMib,
                .is_linux = true};
    if (is_software_kvm(kvm)) guest.absence = kNeedsHardware;
    return guest;
}

Result<Guest> own_kernel(std::string_view kvm) {
    Guest guest = linux_guest("kernel", BootProtocol::kPvh,
                              TRY(beside_this_program("../lib/mayfly/vmlinux")), kvm);
    if (guest.absence.empty() && ::access(guest.image.c_str(), R_OK) != 0)
        guest.absence = guest.image + " is missing; build the target `kernel`";
    return guest;
}

Guest debian_kernel(std::string_view kvm) {
    constexpr char kFolder[] = "/boot";
    Guest guest = linux_guest("debian", BootProtocol::kBzImage, newest_debian_kernel(kFolder), kvm);
    if (guest.absence.empty() && guest.image.empty())
        guest.absence = "no /boot/vmlinuz-*-amd64 can be read; install linux-image-cloud-amd64";
    return guest;
}

}  // namespace

Result<Guest> find_guest(std::string_view name, std::string_view kvm) {
    if (name == "stub") return stub();
    if (name == "unikernel") return unikernel();
    if (name == "kernel") return own_kernel(kvm);
    if (name == "debian") return debian_kernel(kvm);
    return Error{"--guest", 0,
                 "there is no such guest; the guests are stub, unikernel, kernel and debian"};
}

bool is_software_kvm(std::string_view kvm) {
    return kvm == "kvm_pvm";
}

std::string newest_debian_kernel(const char* folder) {
    const std::unique_ptr<DIR, int (*)(DIR*)> entries(::opendir(folder), ::closedir);
    if (!entries) return {};
    std::string newest;
    bool is_cloud = false;
    // Read by this thread alone: NOLINTNEXTLINE(concurrency-mt-unsafe)
    while (const dirent* const entry = ::readdir(entries.get())) {
        const std::string_view name(entry->d_name);
        if (!name.starts_with("vmlinuz-") || !name.ends_with("-amd64")) continue;
        const std::string path = std::string(folder) + "/" + entry->d_name;
        if (::access(path.c_str(), R_OK) != 0) continue;
        const bool cloud = name.ends_with("-cloud-amd64");
        if (cloud < is_cloud || (cloud == is_cloud && is_older_version(path, newest))) continue;
        newest = path;
        is_cloud = cloud;
    }
    return newest;
}
