// What a VM is made of: one Config and one validation, whichever door it came through.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.hpp"
#include "monitor/auto_net/published_port.hpp"
#include "monitor/auto_net/subnet.hpp"
#include "virtio/block.hpp"
#include "virtio/disk.hpp"
#include "virtio/net.hpp"
#include "virtio/rate_limiter.hpp"

struct DriveConfig {
    std::string path;  // a file or a block device
    std::string id;    // unique in the VM; the guest reads its first 20 bytes
    DiskAccess access = DiskAccess::kReadWrite;
    DiskCache cache = DiskCache::kWriteback;
    RateLimiterConfig limits{};
};

struct NicConfig {
    // One of these three:
    std::string tap;          // the TAP's name; empty: none
    std::optional<int> fd{};  // a TAP that was inherited, and is closed with the VM
    std::optional<Subnet>
        auto_range{};  // makes one, in a network of the VM's own out of this range

    std::string id;                   // unique in the VM
    std::optional<MacAddress> mac{};  // without it one is drawn
    std::optional<uint16_t> mtu{};    // told to the guest; the TAP's own is its owner's affair
    RateLimiterConfig receive_limits{};
    RateLimiterConfig transmit_limits{};
};

// Where stdin and stdout lead.
enum class StdioKind : uint8_t {
    kSerial,   // to the guest's serial line
    kChannel,  // to a program in the guest (ARCHITECTURE.md, "The channel")
};

struct Config {
    static constexpr uint64_t kMinMemoryBytes = 2ULL << 20;
    static constexpr uint64_t kMaxMemoryBytes = 1ULL << 40;
    static constexpr uint32_t kMaxVcpus = 32;

    std::string kernel_path;      // empty: the guest embedded in the binary
    std::string initrd_path;      // empty: none
    std::string initrd_appended;  // an archive behind the initrd, or alone
    std::string command_line;     // at most layout::kCommandLineMaxBytes with its NUL
    uint64_t memory_bytes = 128ULL << 20;
    uint32_t vcpus = 1;
    std::vector<DriveConfig> drives;       // /dev/vda, /dev/vdb, ... in this order
    std::vector<NicConfig> nics;           // eth0, eth1, ...; their windows follow the drives'
    std::vector<PublishedPort> published;  // lead to the NIC that has an auto_range
    StdioKind stdio = StdioKind::kSerial;
    bool log_boot_time = false;  // one line on stderr when the guest gives its boot signal

    size_t device_count() const { return drives.size() + nics.size(); }
};

// Errors name the flag at fault and the remedy; their subjects are strings of `config`.
Result<> validate(const Config& config);
