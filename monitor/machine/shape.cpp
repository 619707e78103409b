#include "monitor/machine/shape.hpp"

#include <sys/random.h>

#include "base/log.hpp"
#include "monitor/boot/command_line.hpp"

namespace {

// A locally administered address (IEEE 802), different in every VM.
MacAddress draw_mac() {
    MacAddress mac{};
    constexpr uint8_t kLocal = 0x02;
    constexpr uint8_t kGroup = 0x01;
    if (::getrandom(mac.data(), mac.size(), 0) < 0)
        LOG_WARNING("no random MAC address: all VMs share one");
    mac[0] = static_cast<uint8_t>((mac[0] | kLocal) & ~kGroup);
    return mac;
}

}  // namespace

void draw_missing_macs(MachineShape& shape) {
    for (NicShape& nic : shape.nics)
        if (!nic.mac.has_value()) nic.mac = draw_mac();
}

std::string kernel_line(const MachineShape& shape, KernelKind kernel) {
    CommandLineAdditions additions{.network = shape.network_word};
    if (!shape.drives.empty() && shape.drives.front().is_root) {
        const DriveShape& root = shape.drives.front();
        additions.root = {.partuuid = root.partuuid,
                          .access = root.access == DiskAccess::kReadOnly ? RootAccess::kReadOnly
                                                                         : RootAccess::kReadWrite};
    }
    if (kernel == KernelKind::kLinux)
        additions.virtio_devices = static_cast<uint32_t>(shape.device_count());
    return whole_command_line(shape.command_line, additions);
}
