#include "monitor/machine/config.hpp"

#include <algorithm>
#include <string_view>

#include "monitor/boot/command_line.hpp"
#include "monitor/memory/layout.hpp"

namespace {

bool is_id_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
}

Result<> validate_id(const char* part, const std::string& id, std::vector<std::string_view>& seen) {
    if (!is_id(id))
        return Error{part, 0, "id= takes letters, digits, '-', '_' and '.'"}.about(id.c_str());
    if (std::ranges::find(seen, id) != seen.end())
        return Error{part, 0, "id= is given twice; give each device its own"}.about(id.c_str());
    seen.emplace_back(id);
    return Ok{};
}

bool is_same(const PublishedPort& one, const PublishedPort& other) {
    return one.protocol == other.protocol && one.host_port == other.host_port &&
           one.address == other.address;
}

Result<> validate_network(const Config& config, const FieldNames& names) {
    const auto autos = std::ranges::count_if(
        config.nics, [](const NicConfig& nic) { return nic.auto_range.has_value(); });
    if (autos > 1)
        return Error{names.nic, 0, "auto is for one NIC of a VM; use tap= for the others"};
    if (!config.published.empty() && autos == 0)
        return Error{names.published, 0, "needs the network that --net auto makes"}.about(
            config.published.front().text);
    for (const PublishedPort& port : config.published)
        for (const PublishedPort* before = config.published.data(); before != &port; ++before)
            if (is_same(*before, port))
                return Error{names.published, 0, "the host's port is given twice; give it once"}
                    .about(port.text);
    return Ok{};
}

Result<> validate_drives(const Config& config, const FieldNames& names) {
    std::vector<std::string_view> ids;
    for (const DriveConfig& drive : config.drives) {
        TRY(validate_id(names.drive, drive.id, ids));
        if (drive.is_root && &drive != config.drives.data())
            return Error{names.drive, 0, "is a second root device; a VM has one"}.about(
                drive.id.c_str());
    }
    return Ok{};
}

Result<> validate_nics(const Config& config, const FieldNames& names) {
    std::vector<std::string_view> ids;
    std::vector<int> fds;
    for (const NicConfig& nic : config.nics) {
        TRY(validate_id(names.nic, nic.id, ids));
        for (const NicConfig* before = config.nics.data(); before != &nic; ++before)
            if (nic.mac.has_value() && nic.mac == before->mac)
                return Error{names.mac, 0, "is that of another NIC; give each its own"}.about(
                    nic.id.c_str());
        if (!nic.fd.has_value()) continue;
        if (std::ranges::find(fds, *nic.fd) != fds.end())
            return Error{names.nic, 0, "fd= is given twice; give each NIC its own"}.about(
                nic.id.c_str());
        fds.push_back(*nic.fd);
    }
    return Ok{};
}

Result<> validate_processors(const Config& config, const FieldNames& names) {
    if (config.vcpus == 0 || config.vcpus > Config::kMaxVcpus)
        return Error{names.vcpus, 0, "is not from 1 to 32"};
    if (config.threads_per_core > 1 && config.vcpus > 1 &&
        config.vcpus % config.threads_per_core != 0)
        return Error{names.vcpus, 0, "is neither 1 nor even, as cores of two threads need"};
    return Ok{};
}

Result<> validate_memory(const Config& config, const FieldNames& names) {
    if (config.memory_bytes < Config::kMinMemoryBytes)
        return Error{names.memory, 0, "is too small; give at least 2M"};
    if (config.memory_bytes > Config::kMaxMemoryBytes)
        return Error{names.memory, 0, "is too large; give at most 1024G"};
    if (config.memory_bytes % layout::kPageSize != 0)
        return Error{names.memory, 0, "is not a multiple of 4K"};
    return Ok{};
}

}  // namespace

bool is_id(std::string_view text) {
    return !text.empty() && std::ranges::all_of(text, is_id_character);
}

Result<> validate(const Config& config, const FieldNames& names) {
    TRY(validate_processors(config, names));
    TRY(validate_memory(config, names));
    if (whole_command_line(config).size() >= layout::kCommandLineMaxBytes)
        return Error{names.command_line, 0,
                     "is longer than 2047 bytes (with the arguments after --)"};
    if (!config.initrd_path.empty() && config.kernel_path.empty())
        return Error{names.initrd, 0, "needs a --kernel that can use it"};
    TRY(validate_network(config, names));
    if (config.device_count() > layout::kMaxVirtioDevices)
        return Error{names.devices, 0, "are more than the 19 devices a VM has interrupts for",
                     config.device_count()};
    TRY(validate_drives(config, names));
    return validate_nics(config, names);
}

std::string whole_command_line(const Config& config) {
    if (config.drives.empty() || !config.drives.front().is_root) return config.command_line;
    const DriveConfig& root = config.drives.front();
    const std::string device = root.partuuid.empty() ? "/dev/vda" : "PARTUUID=" + root.partuuid;
    const char* const mode = root.access == DiskAccess::kReadOnly ? " ro" : " rw";
    return with_words(config.command_line, "root=" + device + mode);
}
