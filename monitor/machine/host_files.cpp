#include "monitor/machine/host_files.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "base/line_sink.hpp"
#include "monitor/boot/embedded_guest.hpp"

namespace {

// What a NIC's TAP is known by here.
std::string name_of(const NicHost& nic) {
    return nic.fd.has_value() ? "fd=" + std::to_string(*nic.fd) : nic.tap;
}

// What to do about a disk that cannot be opened, where it is an image.
Error of_image(Error error) {
    if (error.code == ENOENT) error.hint = "make it first, as with mayfly-image SOURCE IMAGE";
    if (error.code == EISDIR) error.hint = "make an image of it, as with mayfly-image FOLDER IMAGE";
    if (error.code == EACCES) error.hint = "change its mode, or leave out --rw if that was given";
    return error;
}

// True if `path` leads to another file than `fd`, or that has another size than `size_bytes`.
bool has_changed(const std::string& path, int fd, uint64_t size_bytes) {
    struct stat now {};
    struct stat open {};
    if (::stat(path.c_str(), &now) != 0 || ::fstat(fd, &open) != 0) return false;
    if (now.st_dev != open.st_dev || now.st_ino != open.st_ino) return true;
    return S_ISREG(now.st_mode) && static_cast<uint64_t>(now.st_size) != size_bytes;
}

// No file's, where there is none.
FileIdentity identity_at(const std::string& path) {
    struct stat status {};
    if (::stat(path.c_str(), &status) != 0) return {};
    return {.device = status.st_dev, .number = status.st_ino};
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

void HostFiles::notice_changes() {
    const Image& kernel = images_.kernel;
    if (!kernel_path_.empty() && has_changed(kernel_path_, kernel.fd(), kernel.size()))
        kernel_path_.clear();
    if (images_.initrd.has_value() &&
        has_changed(initrd_path_, images_.initrd->fd(), images_.initrd->size()))
        initrd_path_.clear();
    for (OpenDisk& open : disks_)
        open.is_outdated = has_changed(open.path, open.disk.fd(), open.disk.file_bytes());
}

Result<> HostFiles::open_images(const Config& config, const FieldNames& names) {
    const bool has_new_kernel = kernel_path_ != config.boot.kernel_path;
    const bool has_new_initrd = initrd_path_ != config.boot.initrd_path;
    Image kernel = Image::embedded(embedded_guest());
    std::optional<Image> initrd;
    if (has_new_kernel && !config.boot.kernel_path.empty()) {
        auto opened = Image::open(config.boot.kernel_path.c_str());
        if (!opened.ok()) return said_of(names.kernel, opened.error());
        kernel = std::move(opened).value();
    }
    if (has_new_initrd && !config.boot.initrd_path.empty()) {
        auto opened = Image::open(config.boot.initrd_path.c_str());
        if (!opened.ok()) return said_of(names.initrd, opened.error());
        initrd = std::move(opened).value();
    }
    if (has_new_kernel) images_.kernel = std::move(kernel);
    if (has_new_initrd) images_.initrd = std::move(initrd);
    kernel_path_ = config.boot.kernel_path;
    initrd_path_ = config.boot.initrd_path;
    return Ok{};
}

Result<> HostFiles::open_disks(const Config& config, const FieldNames& names) {
    std::vector<Wanted> wanted;
    for (size_t i = 0; i < config.host.drives.size(); ++i)
        wanted.push_back({&config.host.drives[i].path, config.shape.drives[i].access,
                          config.host.drives[i].is_image, config.host.sharing});
    // A file that is open for writing cannot be opened another time: what is not wanted any more
    // makes way, and comes back where something else cannot be had.
    const auto unwanted = std::partition(disks_.begin(), disks_.end(), [&](const OpenDisk& open) {
        return std::ranges::any_of(wanted, [&](const Wanted& drive) { return open.is_of(drive); });
    });
    std::for_each(unwanted, disks_.end(), [](const OpenDisk& open) { open.disk.unlock(); });
    auto opened = open_missing_disks(wanted, names);
    if (!opened.ok()) {
        const auto lost = std::remove_if(
            unwanted, disks_.end(), [](const OpenDisk& open) { return !open.disk.lock().ok(); });
        disks_.erase(lost, disks_.end());
        return opened.error();
    }
    std::ranges::move(opened.value(), std::back_inserter(disks_));
    std::vector<OpenDisk> disks;
    for (const Wanted& drive : wanted) {
        const auto open =
            std::ranges::find_if(disks_, [&](const OpenDisk& it) { return it.is_of(drive); });
        disks.push_back(std::move(*open));
        disks_.erase(open);
    }
    disks_ = std::move(disks);
    return Ok{};
}

Result<std::vector<HostFiles::OpenDisk>> HostFiles::open_missing_disks(
    std::span<const Wanted> wanted, const FieldNames& names) const {
    // One for each drive: two of them may read one file.
    std::vector<const OpenDisk*> left;
    for (const OpenDisk& open : disks_) left.push_back(&open);
    std::vector<OpenDisk> opened;
    for (const Wanted& drive : wanted) {
        const auto open =
            std::ranges::find_if(left, [&](const OpenDisk* it) { return it->is_of(drive); });
        if (open != left.end()) {
            left.erase(open);
            continue;
        }
        const char* const part = drive.is_image ? names.image : names.drive;
        auto disk = Disk::open(drive.path->c_str(), drive.access, patience_, drive.sharing);
        // The lock does not know our own from somebody else's, and only warns a writer of readers.
        const FileIdentity file = disk.ok() ? disk.value().identity() : identity_at(*drive.path);
        const auto clashes = [&](const OpenDisk& other) {
            return drive.sharing == DiskSharing::kRefused && other.clashes(file, drive.access);
        };
        const auto stays = [&](const OpenDisk& other) {
            return clashes(other) &&
                   std::ranges::any_of(wanted, [&](const Wanted& it) { return other.is_of(it); });
        };
        if (std::ranges::any_of(opened, clashes) || std::ranges::any_of(disks_, stays))
            return Error{part, 0,
                         "is another drive's file, too; give each its own, or let all of them only "
                         "read"}
                .about(*drive.path);
        if (!disk.ok())
            return said_of(part, drive.is_image ? of_image(disk.error()) : disk.error());
        opened.push_back({*drive.path, drive.access, std::move(disk).value()});
    }
    return opened;
}

Result<> HostFiles::open_taps(const Config& config, const FieldNames& names) {
    std::vector<OpenTap> taps;
    taps.reserve(config.host.nics.size());
    for (size_t i = 0; i < config.host.nics.size(); ++i) {
        const NicHost& nic = config.host.nics[i];
        const auto open = std::ranges::find(taps_, name_of(nic), &OpenTap::name);
        if (open != taps_.end()) {
            taps.push_back(std::move(*open));
            taps_.erase(open);
            continue;
        }
        auto tap = nic.fd.has_value() ? Tap::inherit(*nic.fd)
                                      : Tap::open(nic.tap.c_str(), nic.if_missing, patience_);
        if (!tap.ok()) {
            std::ranges::move(taps, std::back_inserter(taps_));
            return said_of(names.nic, tap.error().about(config.shape.nics[i].id));
        }
        taps.push_back({name_of(nic), std::move(tap).value()});
    }
    taps_ = std::move(taps);
    return Ok{};
}

Result<> HostFiles::open_serial_output(const Config& config, const FieldNames& names) {
    if (serial_output_path_ == config.host.serial_output_path) return Ok{};
    UniqueFd output;
    if (!config.host.serial_output_path.empty()) {
        auto opened = open_line_sink(config.host.serial_output_path.c_str());
        if (!opened.ok()) return said_of(names.serial_output, opened.error());
        output = std::move(opened).value();
    }
    serial_output_ = std::move(output);
    serial_output_path_ = config.host.serial_output_path;
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
