#include "bench/monitors.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "base/json_writer.hpp"
#include "bench/program.hpp"

namespace {

constexpr char kOwnProtocol[] = "boots no unikernel of Mayfly's, which has an entry of its own";

std::string mib(const Guest& guest) {
    return std::to_string(guest.memory_mib);
}

const char* refuse_nothing(const Guest&) {
    return nullptr;
}

const char* refuse_embedded(const Guest& guest) {
    return guest.protocol == BootProtocol::kEmbedded ? kOwnProtocol : nullptr;
}

void append(std::vector<std::string>& words, std::initializer_list<std::string> more) {
    words.insert(words.end(), more);
}

Invocation start_floor(const std::string& path, const Guest&, std::string_view) {
    return {.words = {path}};
}

Invocation start_mayfly(const std::string& path, const Guest& guest, std::string_view) {
    std::vector<std::string> words = {path, "run", "--memory", mib(guest) + "M"};
    if (guest.protocol == BootProtocol::kEmbedded) {
        append(words, {"--", "quiet"});
    } else {
        append(words, {"--kernel", guest.image});
        if (!guest.command_line.empty()) append(words, {"--cmdline", guest.command_line});
    }
    return {.words = std::move(words)};
}

// QEMU's manual, "microvm virtual platform": all optional legacy devices off, host CPU, no default
// devices. The serial line stays, since that is what the clock listens to. Its acpi=off is not
// among the options there, and Debian's kernel does not come up with it.
Invocation start_qemu(const std::string& path, const Guest& guest, std::string_view kvm) {
    // Software KVM refuses a value that QEMU gives MSR 0x10a, and QEMU then aborts.
    const char* const cpu = is_software_kvm(kvm) ? "host,arch-capabilities=off" : "host";
    std::vector<std::string> words = {
        path,
        "-M",
        "microvm,x-option-roms=off,pit=off,pic=off,isa-serial=on,rtc=off",
        "-enable-kvm",
        "-cpu",
        cpu,
        "-m",
        mib(guest) + "m",
        "-smp",
        "1",
        "-nodefaults",
        "-no-user-config",
        "-nographic",
        "-no-reboot",
        "-serial",
        "stdio",
        "-kernel",
        guest.image};
    if (!guest.command_line.empty()) append(words, {"-append", guest.command_line});
    return {.words = std::move(words)};
}

// load_bzimage() and load_flat_binary() in kvmtool's x86/kvm.c: there is no third.
const char* refuse_for_kvmtool(const Guest& guest) {
    if (guest.protocol == BootProtocol::kPvh) return "boots a bzImage or a flat binary, no ELF";
    return refuse_embedded(guest);
}

// `lkvm run --help`. Without --nodefaults each run makes a root file system in the home folder;
// with it there is a socket, which one that is killed leaves there.
Invocation start_kvmtool(const std::string& path, const Guest& guest, std::string_view) {
    return {.words = {path, "run", "--nodefaults", "--cpus", "1", "--mem", mib(guest), "--network",
                      "mode=none", "--console", "serial", "--kernel", guest.image, "--params",
                      guest.command_line}};
}

// Firecracker's docs/getting-started.md: on x86_64 an uncompressed ELF.
const char* refuse_for_firecracker(const Guest& guest) {
    if (guest.protocol == BootProtocol::kBzImage) return "boots an ELF, no bzImage";
    return refuse_embedded(guest);
}

// docs/getting-started.md: a configuration file instead of the API, and pci=off for Linux. The log
// goes to /dev/null, as standard output is the guest's serial line too.
Invocation start_firecracker(const std::string& path, const Guest& guest, std::string_view) {
    JsonWriter file;
    file.object("boot-source", [&] {
        file.text("kernel_image_path", guest.image);
        file.text("boot_args", guest.command_line.empty() ? "" : guest.command_line + " pci=off");
    });
    file.array("drives", std::span<const Guest>{}, [](const Guest&) {});
    file.object("machine-config", [&] {
        file.number("vcpu_count", 1);
        file.number("mem_size_mib", guest.memory_mib);
    });
    return {.words = {path, "--no-api", "--config-file", Program::kGivenFile, "--log-path",
                      "/dev/null", "--level", "Error"},
            .given_file = file.finish()};
}

// Cloud Hypervisor's README, "Booting the guest VM": the serial line for what comes early, and no
// virtio console beside it.
Invocation start_cloud_hypervisor(const std::string& path, const Guest& guest, std::string_view) {
    std::vector<std::string> words = {path,
                                      "--kernel",
                                      guest.image,
                                      "--console",
                                      "off",
                                      "--serial",
                                      "tty",
                                      "--cpus",
                                      "boot=1",
                                      "--memory",
                                      "size=" + mib(guest) + "M"};
    if (!guest.command_line.empty()) append(words, {"--cmdline", guest.command_line});
    return {.words = std::move(words)};
}

constexpr std::array kPeers = {
    Monitor{"qemu", {"qemu-system-x86_64", "qemu-kvm"}, refuse_embedded, start_qemu},
    Monitor{"kvmtool", {"lkvm", "kvmtool"}, refuse_for_kvmtool, start_kvmtool, true},
    Monitor{"firecracker", {"firecracker", ""}, refuse_for_firecracker, start_firecracker},
    Monitor{"cloud-hypervisor",
            {"cloud-hypervisor", "cloud-hypervisor-static"},
            refuse_embedded,
            start_cloud_hypervisor},
};

bool is_program(const std::string& path) {
    struct stat status {};
    return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
           ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

constexpr Monitor kFloor{"floor", {"mayfly-floor", ""}, refuse_nothing, start_floor};
constexpr Monitor kMayfly{"mayfly", {"mayfly", ""}, refuse_nothing, start_mayfly};

std::span<const Monitor> peers() {
    return kPeers;
}

std::string find_program(const std::array<const char*, 2>& names, std::string_view path) {
    for (const std::string_view name : names) {
        if (name.empty()) continue;
        for (std::string_view rest = path; !rest.empty();) {
            const std::string_view folder = rest.substr(0, rest.find(':'));
            rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
            std::string file = std::string(folder) + "/" + std::string(name);
            if (!folder.empty() && is_program(file)) return file;
        }
    }
    return {};
}

Result<GivenPeer> parse_peer(const char* text) {
    const std::string_view whole(text);
    const size_t equals = std::min(whole.find('='), whole.size());
    const auto peer = std::find_if(kPeers.begin(), kPeers.end(), [&](const Monitor& one) {
        return one.name == whole.substr(0, equals);
    });
    if (peer == kPeers.end() || equals == whole.size())
        return Error{"--peer", 0,
                     "write NAME=PATH; the peers are qemu, kvmtool, firecracker and "
                     "cloud-hypervisor"}
            .about(text);
    std::string path(whole.substr(equals + 1));
    if (!is_program(path)) return Error{"--peer", 0, "is no program"}.about(text);
    return GivenPeer{.monitor = &*peer, .path = std::move(path)};
}
