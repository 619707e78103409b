// What a VM is made of: one Config and one validation, whichever door it came through.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.hpp"
#include "monitor/auto_net/published_port.hpp"
#include "monitor/auto_net/subnet.hpp"
#include "virtio/block.hpp"
#include "virtio/disk.hpp"
#include "virtio/net.hpp"
#include "virtio/rate_limiter.hpp"

// What a client of the API calls the way its drive is served. All drives share the VM's io_uring.
enum class DiskEngine : uint8_t { kSync, kAsync };

struct DriveConfig {
    std::string path;  // a file or a block device
    std::string id;    // unique among the drives; the guest reads its first 20 bytes
    DiskAccess access = DiskAccess::kReadWrite;
    DiskCache cache = DiskCache::kWriteback;
    DiskEngine engine = DiskEngine::kAsync;
    RateLimiterConfig limits{};
    bool is_root = false;  // the first drive; the kernel's command line names it
    std::string partuuid;  // of a root drive: the partition; empty: the whole drive
};

struct NicConfig {
    // One of these three:
    std::string tap;          // the TAP's name; empty: none
    std::optional<int> fd{};  // a TAP that was inherited, and is closed with the VM
    std::optional<Subnet>
        auto_range{};  // makes one, in a network of the VM's own out of this range

    std::string id;                   // unique among the NICs
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
    uint32_t threads_per_core = 1;         // 1 or 2: vCPUs that the guest takes for one core's
    std::vector<DriveConfig> drives;       // /dev/vda, /dev/vdb, ... in this order
    std::vector<NicConfig> nics;           // eth0, eth1, ...; their windows follow the drives'
    std::vector<PublishedPort> published;  // lead to the NIC that has an auto_range
    StdioKind stdio = StdioKind::kSerial;
    std::string serial_output_path;  // a file or FIFO for the serial line's output; empty: stdout
    std::optional<int> ready_fd{};   // gets a line when the guest gives its boot signal
    bool has_keyboard = false;       // for Ctrl+Alt+Del; looking for one takes the guest time
    bool log_boot_time = false;      // one line on stderr when the guest gives its boot signal

    size_t device_count() const { return drives.size() + nics.size(); }
};

// What the parts of a Config are called at the door it came through.
struct FieldNames {
    const char* vcpus;
    const char* threads_per_core;
    const char* memory;
    const char* command_line;
    const char* kernel;
    const char* initrd;
    const char* drive;
    const char* nic;
    const char* mac;
    const char* serial_output;
    const char* devices;
    const char* published;
};

inline constexpr FieldNames kFlagNames{.vcpus = "--vcpus",
                                       .threads_per_core = "--vcpus",
                                       .memory = "--memory",
                                       .command_line = "--cmdline",
                                       .kernel = "--kernel",
                                       .initrd = "--initrd",
                                       .drive = "--disk",
                                       .nic = "--net",
                                       .mac = "mac=",
                                       .serial_output = "stdout",
                                       .devices = "--disk and --net",
                                       .published = "--publish"};

// Whether a device may be called so: letters, digits, '-', '_' and '.', one at least.
bool is_id(std::string_view text);

// Errors name the part at fault and the remedy; their subjects are strings of `config`.
Result<> validate(const Config& config, const FieldNames& names);

// The command line with what tells a kernel where its root is.
std::string whole_command_line(const Config& config);
