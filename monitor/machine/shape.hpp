// What a guest can see of its machine. A snapshot carries it from host to host, so nothing in it
// names anything of a host: that is in machine/host.hpp.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "monitor/kvm/cpu_template.hpp"
#include "monitor/kvm/cpuid.hpp"
#include "virtio/block.hpp"
#include "virtio/disk.hpp"
#include "virtio/net.hpp"

struct DriveShape {
    std::string id;  // unique among the drives by its first 20 bytes, which the guest reads
    DiskAccess access = DiskAccess::kReadWrite;
    DiskCache cache = DiskCache::kWriteback;
    bool is_root = false;  // the first drive; the kernel's command line names it
    std::string partuuid;  // of a root drive: the partition; empty: the whole drive
};

struct NicShape {
    std::string id;                   // unique among the NICs
    std::optional<MacAddress> mac{};  // without it one is drawn when the machine is created
    std::optional<uint16_t> mtu{};    // told to the guest; the TAP's own is its owner's affair
};

// Where stdin and stdout lead.
enum class StdioKind : uint8_t {
    kSerial,   // to the guest's serial line
    kChannel,  // to a program in the guest (docs/channel.md)
};

struct MachineShape {
    static constexpr uint64_t kMinMemoryBytes = 2ULL << 20;
    static constexpr uint64_t kMaxMemoryBytes = 1ULL << 40;
    static constexpr uint32_t kMaxVcpus = 32;

    uint64_t memory_bytes = 128ULL << 20;
    uint32_t vcpus = 1;
    uint32_t threads_per_core = 1;  // 1 or 2: vCPUs that the guest takes for one core's
    CpuExtras extras{};
    CpuTemplate cpu_template = CpuTemplate::kNone;
    std::vector<DriveShape> drives;  // /dev/vda, /dev/vdb, ... in this order
    std::vector<NicShape> nics;      // eth0, eth1, ...; their windows follow the drives'
    StdioKind stdio = StdioKind::kSerial;
    bool has_keyboard = false;  // for Ctrl+Alt+Del; looking for one takes the guest time

    std::string command_line;  // as it was given; kernel_line() adds the rest
    std::string network_word;  // what a network of the VM's own adds; empty: nothing

    size_t device_count() const { return drives.size() + nics.size(); }
};

// Gives each NIC an address that has none, as a guest sees one in any case.
void draw_missing_macs(MachineShape& shape);

// The command line as a kernel gets it: boot/command_line.hpp. `kernel`: whether devices are
// announced on it.
enum class KernelKind : uint8_t { kLinux, kOther };
std::string kernel_line(const MachineShape& shape, KernelKind kernel);
