#include "monitor/host_files.hpp"

#include <algorithm>

#include "base/line_sink.hpp"
#include "monitor/boot/embedded_guest.hpp"

namespace {

bool is_wanted(const std::vector<DriveConfig>& drives, const std::string& path, DiskAccess access) {
    return std::ranges::any_of(drives, [&](const DriveConfig& drive) {
        return drive.path == path && drive.access == access;
    });
}

// What a NIC's TAP is known by here.
std::string name_of(const NicConfig& nic) {
    return nic.fd.has_value() ? "fd=" + std::to_string(*nic.fd) : nic.tap;
}

}  // namespace

// What was wrong is in the hint or the code.
Error said_of(const char* part, Error error) {
    if (error.hint == nullptr && error.code == 0) error.hint = error.what;
    error.what = part;
    return error;
}

HostFiles::HostFiles() : images_{.kernel = Image::embedded(embedded_guest()), .initrd = {}} {}

Result<> HostFiles::open_missing(const Config& config, const FieldNames& names) {
    TRY(open_images(config, names));
    TRY(open_disks(config, names));
    TRY(open_taps(config, names));
    return open_serial_output(config, names);
}

Result<> HostFiles::open_images(const Config& config, const FieldNames& names) {
    if (kernel_path_ != config.kernel_path) {
        auto opened = config.kernel_path.empty() ? Result<Image>(Image::embedded(embedded_guest()))
                                                 : Image::open(config.kernel_path.c_str());
        if (!opened.ok()) return said_of(names.kernel, opened.error());
        images_.kernel = std::move(opened).value();
        kernel_path_ = config.kernel_path;
    }
    if (initrd_path_ == config.initrd_path) return Ok{};
    std::optional<Image> initrd;
    if (!config.initrd_path.empty()) {
        auto opened = Image::open(config.initrd_path.c_str());
        if (!opened.ok()) return said_of(names.initrd, opened.error());
        initrd = std::move(opened).value();
    }
    images_.initrd = std::move(initrd);
    initrd_path_ = config.initrd_path;
    return Ok{};
}

Result<> HostFiles::open_disks(const Config& config, const FieldNames& names) {
    // First of all, since a file that is open for writing cannot be opened another time.
    std::erase_if(disks_, [&](const OpenDisk& open) {
        return !is_wanted(config.drives, open.path, open.access);
    });
    std::vector<OpenDisk> disks;
    disks.reserve(config.drives.size());
    for (const DriveConfig& drive : config.drives) {
        const auto open = std::ranges::find_if(disks_, [&](const OpenDisk& it) {
            return it.path == drive.path && it.access == drive.access;
        });
        if (open != disks_.end()) {
            disks.push_back(std::move(*open));
            disks_.erase(open);
            continue;
        }
        auto disk = Disk::open(drive.path.c_str(), drive.access);
        if (!disk.ok()) {
            std::ranges::move(disks, std::back_inserter(disks_));
            return said_of(names.drive, disk.error());
        }
        disks.push_back({drive.path, drive.access, std::move(disk).value()});
    }
    disks_ = std::move(disks);
    return Ok{};
}

Result<> HostFiles::open_taps(const Config& config, const FieldNames& names) {
    std::erase_if(taps_, [&](const OpenTap& open) {
        return std::ranges::none_of(
            config.nics, [&](const NicConfig& nic) { return name_of(nic) == open.name; });
    });
    std::vector<OpenTap> taps;
    taps.reserve(config.nics.size());
    for (const NicConfig& nic : config.nics) {
        const auto open = std::ranges::find(taps_, name_of(nic), &OpenTap::name);
        if (open != taps_.end()) {
            taps.push_back(std::move(*open));
            taps_.erase(open);
            continue;
        }
        auto tap = nic.fd.has_value() ? Tap::inherit(*nic.fd) : Tap::open(nic.tap.c_str());
        if (!tap.ok()) {
            std::ranges::move(taps, std::back_inserter(taps_));
            return said_of(names.nic, tap.error().about(nic.id.c_str()));
        }
        taps.push_back({name_of(nic), std::move(tap).value()});
    }
    taps_ = std::move(taps);
    return Ok{};
}

Result<> HostFiles::open_serial_output(const Config& config, const FieldNames& names) {
    if (serial_output_path_ == config.serial_output_path) return Ok{};
    UniqueFd output;
    if (!config.serial_output_path.empty()) {
        auto opened = open_line_sink(config.serial_output_path.c_str());
        if (!opened.ok()) return said_of(names.serial_output, opened.error());
        output = std::move(opened).value();
    }
    serial_output_ = std::move(output);
    serial_output_path_ = config.serial_output_path;
    return Ok{};
}

DeviceFiles HostFiles::take_devices() {
    DeviceFiles files;
    for (OpenDisk& open : disks_) files.disks.push_back(std::move(open.disk));
    for (OpenTap& open : taps_) files.taps.push_back(std::move(open.tap));
    files.serial_output = std::move(serial_output_);
    disks_.clear();
    taps_.clear();
    serial_output_path_.clear();
    return files;
}
