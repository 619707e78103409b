// What this host, and the process on it, lend a machine: given anew at each start, and nothing that
// the guest sees. Drives and NICs are in the order of their MachineShape.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/unwaited_write.hpp"
#include "monitor/auto_net/published_port.hpp"
#include "monitor/auto_net/reach.hpp"
#include "monitor/auto_net/subnet.hpp"
#include "monitor/boot/placement.hpp"
#include "monitor/memory/guest_ram.hpp"
#include "monitor/sandbox/side_channels.hpp"
#include "virtio/disk.hpp"
#include "virtio/rate_limiter.hpp"
#include "virtio/tap.hpp"

// What a client of the API calls the way its drive is served. All drives share the VM's io_uring.
enum class DiskEngine : uint8_t { kSync, kAsync };

struct DriveHost {
    std::string path;  // a file or a block device
    DiskEngine engine = DiskEngine::kAsync;
    RateLimiterConfig limits{};
    bool is_image = false;  // given as the image with a program, not as a drive
};

struct NicHost {
    // One of these three:
    std::string tap;  // the TAP's name; empty: none
    Tap::IfMissing if_missing = Tap::IfMissing::kFail;
    std::optional<int> fd{};  // a TAP that was inherited, and is closed with the VM
    std::optional<Subnet>
        auto_range{};  // makes one, in a network of the VM's own out of this range
    Reach reach{};     // of the guest in that network

    // Of `tap`: the addresses that the guest may use there; empty: no rules are made for it.
    std::vector<Ipv4Address> guarded{};

    RateLimiterConfig receive_limits{};
    RateLimiterConfig transmit_limits{};
};

// What keeps the VM from others of its host, at a price.
struct Tenancy {
    ImagePages pages = ImagePages::kShared;    // of kernel and initrd
    Measure core_scheduling = Measure::kNone;  // no other process's thread beside one of ours
    Measure ssbd = Measure::kNone;             // vCPU threads do not run ahead of stores
};

struct HostConfig {
    std::vector<DriveHost> drives;
    DiskSharing sharing = DiskSharing::kRefused;  // of drives with other processes
    std::vector<NicHost> nics;
    std::vector<PublishedPort> published;  // lead to the NIC that has an auto_range
    std::string serial_output_path;    // a file or FIFO for the serial line's output; empty: stdout
    TokenBucketConfig serial_limit{};  // of its bytes; what is too much for it is dropped
    Tenancy tenancy{};
    RamPages ram_pages = RamPages::kOrdinary;
    std::optional<int> ready_fd{};          // gets a line when the guest gives its boot signal, and
    WriteWay ready_way = WriteWay::kPlain;  // is written to so
    const char* vcpu_threads = "vcpu";      // their names, before the number
    bool log_boot_time = false;  // one line on stderr when the guest gives its boot signal
};

// What a machine boots from.
struct BootConfig {
    std::string kernel_path;      // empty: the guest embedded in the binary
    std::string initrd_path;      // empty: none
    std::string initrd_appended;  // an archive behind the initrd, or alone
};
