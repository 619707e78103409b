#include "monitor/machine/config.hpp"

#include <algorithm>
#include <string_view>

#include "monitor/auto_net/auto_net.hpp"
#include "monitor/boot/command_line.hpp"
#include "monitor/memory/layout.hpp"
#include "virtio/spec.hpp"

namespace {

bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

Result<> validate_id(const char* part, const std::string& id, std::vector<std::string_view>& seen) {
    if (!is_id(id)) return Error{part, 0, "id= takes letters, digits, '-', '_' and '.'"}.about(id);
    if (std::ranges::find(seen, id) != seen.end())
        return Error{part, 0, "id= is given twice; give each device its own"}.about(id);
    seen.emplace_back(id);
    return Ok{};
}

// Of the last of `ids`: what a guest reads of it tells it from each one before.
Result<> validate_serial(const char* part, const std::vector<std::string_view>& ids) {
    const std::string_view id = ids.back();
    const auto is_read_alike = [&](std::string_view other) {
        return other.substr(0, VIRTIO_BLK_ID_BYTES) == id.substr(0, VIRTIO_BLK_ID_BYTES);
    };
    const auto alike = std::ranges::find_if(ids, is_read_alike);
    if (*alike == id) return Ok{};
    return Error{part, 0,
                 "begin with the same 20 bytes, all that a guest reads of an id; give ids that "
                 "differ in them"}
        .about(std::string(*alike) + ", " + std::string(id));
}

// The one with the id of `device`; past the end without one.
template <typename Shape>
size_t find_id(const std::vector<Shape>& shapes, const std::string& id) {
    return static_cast<size_t>(std::ranges::find(shapes, id, &Shape::id) - shapes.begin());
}

// As long as it can get: a network that is yet to be made adds a word and a blank, and whether a
// kernel of the user's is a Linux is only known when it is loaded.
size_t longest_kernel_line(const Config& config) {
    const auto kernel = config.boot.kernel_path.empty() ? KernelKind::kOther : KernelKind::kLinux;
    const bool awaits_word = std::ranges::any_of(
        config.host.nics, [](const NicHost& nic) { return nic.auto_range.has_value(); });
    return kernel_line(config.shape, kernel).size() +
           (awaits_word ? AutoNet::kMostWordBytes + 1 : 0);
}

bool is_same(const PublishedPort& one, const PublishedPort& other) {
    return one.protocol == other.protocol && one.host_port == other.host_port &&
           one.address == other.address;
}

Result<> validate_network(const Config& config, const FieldNames& names) {
    const auto autos = std::ranges::count_if(
        config.host.nics, [](const NicHost& nic) { return nic.auto_range.has_value(); });
    if (autos > 1)
        return Error{names.nic, 0, "auto is for one NIC of a VM; use tap= for the others"};
    if (!config.host.published.empty() && autos == 0)
        return Error{names.published, 0, "needs the network that --net auto makes"}.about(
            config.host.published.front().text);
    for (const PublishedPort& port : config.host.published)
        for (const PublishedPort* before = config.host.published.data(); before != &port; ++before)
            if (is_same(*before, port))
                return Error{names.published, 0, "the host's port is given twice; give it once"}
                    .about(port.text);
    return Ok{};
}

Result<> validate_drives(const Config& config, const FieldNames& names) {
    std::vector<std::string_view> ids;
    for (const DriveShape& drive : config.shape.drives) {
        TRY(validate_id(names.drive, drive.id, ids));
        TRY(validate_serial(names.drive, ids));
        if (drive.is_root && &drive != config.shape.drives.data())
            return Error{names.drive, 0, "is a second root device; a VM has one"}.about(drive.id);
    }
    return Ok{};
}

Result<> validate_nics(const Config& config, const FieldNames& names) {
    std::vector<std::string_view> ids;
    std::vector<int> fds;
    for (size_t i = 0; i < config.shape.nics.size(); ++i) {
        const NicShape& nic = config.shape.nics[i];
        TRY(validate_id(names.nic, nic.id, ids));
        for (const NicShape* before = config.shape.nics.data(); before != &nic; ++before)
            if (nic.mac.has_value() && nic.mac == before->mac)
                return Error{names.mac, 0,
                             "The MAC address is already in use; give each NIC its own"}
                    .about(nic.id);
        const std::optional<int>& fd = config.host.nics[i].fd;
        if (!fd.has_value()) continue;
        if (std::ranges::find(fds, *fd) != fds.end())
            return Error{names.nic, 0, "fd= is given twice; give each NIC its own"}.about(nic.id);
        fds.push_back(*fd);
    }
    return Ok{};
}

Result<> validate_processors(const MachineShape& shape, const FieldNames& names) {
    if (shape.vcpus == 0 || shape.vcpus > MachineShape::kMaxVcpus)
        return Error{names.vcpus, 0, "is not from 1 to 32"};
    if (shape.threads_per_core > 1 && shape.vcpus > 1 && shape.vcpus % shape.threads_per_core != 0)
        return Error{names.vcpus, 0, "is neither 1 nor even, as cores of two threads need"};
    const bool has_extras = shape.extras.nested || shape.extras.pmu;
    if (shape.cpu_template != CpuTemplate::kNone && has_extras)
        return Error{names.cpu_template, 0,
                     "has neither nested virtualization nor a PMU; leave out one or the other"};
    return Ok{};
}

Result<> validate_memory(const Config& config, const FieldNames& names) {
    const MachineShape& shape = config.shape;
    if (shape.memory_bytes < MachineShape::kMinMemoryBytes)
        return Error{names.memory, 0, "is too small; give at least 2M"};
    if (shape.memory_bytes > MachineShape::kMaxMemoryBytes)
        return Error{names.memory, 0, "is too large; give at most 1024G"};
    if (shape.memory_bytes % layout::kPageSize != 0)
        return Error{names.memory, 0, "is not a multiple of 4K"};
    if (config.host.ram_pages == RamPages::kHuge &&
        shape.memory_bytes % layout::kLargePageSize != 0)
        return Error{names.memory, 0, "is not a multiple of 2M, as huge pages need"};
    return Ok{};
}

}  // namespace

bool is_id(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_id_character);
}

Result<> validate(const Config& config, const FieldNames& names) {
    TRY(validate_processors(config.shape, names));
    TRY(validate_memory(config, names));
    if (config.shape.command_line.size() >= layout::kCommandLineMaxBytes)
        return Error{names.command_line, 0,
                     "is longer than 2047 bytes (with the arguments after --)"};
    if (has_open_quote(config.shape.command_line))
        return Error{names.command_line, 0, "has a double quote that is not closed"};
    if (longest_kernel_line(config) >= layout::kCommandLineMaxBytes)
        return Error{names.command_line, 0,
                     "is longer than 2047 bytes with what announces the root, network and devices "
                     "to the kernel; shorten it"};
    if (!config.boot.initrd_path.empty() && config.boot.kernel_path.empty())
        return Error{names.initrd, 0, "needs a --kernel that can use it"};
    TRY(validate_network(config, names));
    if (config.shape.device_count() > layout::kMaxVirtioDevices)
        return Error{names.devices, 0, "are more than the 19 devices a VM has interrupts for"};
    TRY(validate_drives(config, names));
    return validate_nics(config, names);
}

std::vector<DriveConfig> Config::drives() const {
    std::vector<DriveConfig> drives;
    for (size_t i = 0; i < shape.drives.size(); ++i)
        drives.push_back({shape.drives[i], host.drives[i]});
    return drives;
}

std::vector<NicConfig> Config::nics() const {
    std::vector<NicConfig> nics;
    for (size_t i = 0; i < shape.nics.size(); ++i) nics.push_back({shape.nics[i], host.nics[i]});
    return nics;
}

void Config::add(const DriveConfig& drive) {
    shape.drives.push_back(drive.shape);
    host.drives.push_back(drive.host);
}

void Config::add(const NicConfig& nic) {
    shape.nics.push_back(nic.shape);
    host.nics.push_back(nic.host);
}

void Config::put(const DriveConfig& drive) {
    const size_t at = find_id(shape.drives, drive.shape.id);
    if (at == shape.drives.size()) add(drive);
    shape.drives[at] = drive.shape;
    host.drives[at] = drive.host;
    if (drive.shape.is_root) move_to_front(at);
}

void Config::put(const NicConfig& nic) {
    const size_t at = find_id(shape.nics, nic.shape.id);
    if (at == shape.nics.size()) add(nic);
    shape.nics[at] = nic.shape;
    host.nics[at] = nic.host;
}

void Config::move_to_front(size_t drive) {
    const auto rotate = [drive](auto& devices) {
        const auto at = devices.begin() + static_cast<std::ptrdiff_t>(drive);
        std::rotate(devices.begin(), at, at + 1);
    };
    rotate(shape.drives);
    rotate(host.drives);
}
